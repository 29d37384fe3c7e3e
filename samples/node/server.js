// Serves the made pages; only names that the build made are known.
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const folder = path.join(__dirname, "dist");
const pages = new Map(
  fs.readdirSync(folder).map((name) => [`/${name}`, fs.readFileSync(path.join(folder, name))]),
);
pages.set("/", pages.get("/index.html"));

http
  .createServer((request, response) => {
    const page = pages.get(request.url);
    response.writeHead(page ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
    response.end(page ?? "not found");
  })
  .listen(Number(process.env.PORT ?? 8080));
