// Turns pages/*.md (a first line with "# title", then paragraphs) into dist/*.html.
const fs = require("node:fs");
const path = require("node:path");

const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

function page(text) {
  const [title, ...paragraphs] = text.trim().split(/\n\s*\n/);
  const heading = escape(title.replace(/^#\s*/, ""));
  const body = paragraphs.map((one) => `<p>${escape(one)}</p>`).join("\n");
  return `<!doctype html>\n<meta charset="utf-8">\n<title>${heading}</title>\n<h1>${heading}</h1>\n${body}\n`;
}

fs.mkdirSync("dist", { recursive: true });
for (const name of fs.readdirSync("pages")) {
  const target = path.join("dist", name.replace(/\.md$/, ".html"));
  fs.writeFileSync(target, page(fs.readFileSync(path.join("pages", name), "utf8")));
  console.log(`made ${target}`);
}
