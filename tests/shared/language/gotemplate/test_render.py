"""Templates behave and complain as Go's text/template does."""

import pytest

from shared.language.errors import TaskTooLarge, TemplateError
from shared.language.gotemplate import render
from shared.language.gotemplate.values import Map

DATA: Map = {
    "Run": {"ID": "cb7", "Branch": "main"},
    "Values": {"port": 8080, "name": "web", "tags": ["v1", 2, False, None], "flags": {"b": 1, "a": 2}, "off": ""},
    "Secrets": {"db-password": "hunter2"},
}


def shown(source: str) -> str:
    return render(source, DATA, name="acb.yaml")


def complaint(source: str) -> str:
    with pytest.raises(TemplateError) as caught:
        shown(source)
    return caught.value.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{.Values.port}}/{{ .Values.name }}", "8080/web"),
        ("{{.Values.absent}}", "<no value>"),
        ("a {{- .Values.name -}} \n b", "awebb"),
        ("a{{- /* gone */ -}} b", "ab"),
        ("{{/* gone */}}b", "b"),
        ('{{ "}}" }}', "}}"),
        ("{{`raw\\n`}}", "raw\\n"),
        (r'{{"\u00e9\x41\101\t"}}', "éAA\t"),
        ("{{'x'}} {{0x1F}} {{0b101}} {{017}} {{1_0}} {{-3}} {{1e3}} {{.5}}", "120 31 5 15 10 -3 1000 0.5"),
        ("{{if .Values.off}}a{{else if .Values.port}}b{{else}}c{{end}}", "b"),
        ("{{with .Values.name}}{{.}}{{end}}{{with .Values.off}}x{{else}}none{{end}}", "webnone"),
        ("{{range .Values.tags}}[{{.}}]{{end}}", "[v1][2][false][<no value>]"),
        ("{{range $i, $t := .Values.tags}}{{$i}}{{end}}", "0123"),
        ("{{range $k, $v := .Values.flags}}{{$k}}{{$v}}{{end}}", "a2b1"),
        ("{{range .Values.absent}}x{{else}}empty{{end}}", "empty"),
        ("{{range .Values.tags}}{{if eq (print .) `2`}}{{break}}{{end}}{{.}}{{end}}", "v1"),
        ("{{range .Values.tags}}{{if not .}}{{continue}}{{end}}{{.}}{{end}}", "v12"),
        ("{{$n := 1}}{{if true}}{{$n = 2}}{{$m := 3}}{{end}}{{$n}}", "2"),
        ('{{define "t"}}<{{.}}>{{end}}{{template "t" .Run.ID}}', "<cb7>"),
        ('{{block "b" .Run.ID}}({{.}}){{end}}', "(cb7)"),
        ("{{$.Run.ID}}{{with .Values}}{{$.Run.Branch}}{{end}}", "cb7main"),
        ('{{index .Secrets "db-password"}}|{{index .Secrets "no"}}', "hunter2|<no value>"),
        ("{{.Values.name | printf `%s-%d` | len}}", "16"),
        ("{{(index .Values `flags`).a}}", "2"),
        ("{{and 1 0 2}} {{or 0 `` `z`}} {{not 0}}", "0 z true"),
        ("{{or true (fail `never evaluated`)}}", "true"),
        ("{{eq .Values.name `a` `web`}} {{ne 1 2}} {{lt 1 2}} {{ge `b` `a`}}", "true true true true"),
        ("{{eq .Values.absent `prod`}} {{eq .Values.absent nil}} {{ne .Values.absent 1}}", "false true true"),
        ("{{.Values.tags}} {{.Values.flags}}", "[v1 2 false <nil>] map[a:2 b:1]"),
        ("{{print 1 2 `a` 3}} {{println `x` 1}}", "1 2a3 x 1\n"),
        ('{{html "<a>&\'"}} {{js "it\'s"}} {{urlquery "a b"}}', "&lt;a&gt;&amp;&#39; it\\'s a+b"),
    ],
)
def test_language(source: str, expected: str) -> None:
    assert shown(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{required `m` .x}}", 'template: acb.yaml:1: function "required" not defined'),
        ("\n\n{{if}}", "template: acb.yaml:3: missing value for if"),
        ("{{end}}", "template: acb.yaml:1: unexpected {{end}}"),
        ("{{if 1}}", "template: acb.yaml:1: unexpected EOF"),
        ("{{.Values.name", "template: acb.yaml:1: unclosed action"),
        ("{{$x}}", 'template: acb.yaml:1: undefined variable "$x"'),
        ('{{"a}}', "template: acb.yaml:1: unterminated quoted string"),
        ("{{(1}}", "template: acb.yaml:1: unclosed left paren"),
        ("{{1)}}", "template: acb.yaml:1: unexpected right paren"),
        ("{{/* x }}", "template: acb.yaml:1: unclosed comment"),
        ("{{1 | 2}}", "template: acb.yaml:1: non executable command in pipeline stage 2"),
        ("{{break}}", "template: acb.yaml:1: {{break}} outside {{range}}"),
        ("{{1.2.3}}", 'template: acb.yaml:1: unexpected ".3" in operand'),
        ("{{3x}}", 'template: acb.yaml:1: bad number syntax: "3x"'),
        ("{{.Values.a\\}}", "template: acb.yaml:1: bad character U+005C '\\'"),
        ("{{ \\ }}", 'template: acb.yaml:1: unexpected "\\\\" in command'),
        ("{{range $a, 1 := .x}}{{end}}", "template: acb.yaml:1: range can only initialize variables"),
        ("{{else}}", "template: acb.yaml:1: unexpected {{else}}"),
        ("{{if 1}}{{define `x`}}{{end}}{{end}}", "template: acb.yaml:1: unexpected {{define}}"),
    ],
)
def test_parse_errors(source: str, expected: str) -> None:
    assert complaint(source) == expected


@pytest.mark.parametrize(
    ("source", "place", "expected"),
    [
        ("{{.Values.a.b}}", "1:9", "<.Values.a.b>: nil pointer evaluating interface {}.b"),
        ("x\n {{.Run.ID.no}}", "2:7", "<.Run.ID.no>: can't evaluate field no in type interface {}"),
        ("{{.Values.none | upper}}", "1:17", "<upper>: invalid value; expected string"),
        ("{{upper .Values.none}}", "1:15", "<.Values.none>: wrong type for value; expected string; got interface {}"),
        ("{{upper .Values.port}}", "1:15", "<.Values.port>: wrong type for value; expected string; got int"),
        ("{{upper 3}}", "1:8", "<3>: expected string; found 3"),
        ("{{upper nil}}", "1:8", "<nil>: cannot assign nil to string"),
        ("{{upper}}", "1:2", "<upper>: wrong number of args for upper: want 1 got 0"),
        ("{{eq 1 `1`}}", "1:2", "<eq 1 `1`>: error calling eq: incompatible types for comparison"),
        ("{{lt .Values.none 1}}", "1:2", "<lt .Values.none 1>: error calling lt: invalid type for comparison"),
        ("{{fail `stop`}}", "1:2", "<fail `stop`>: error calling fail: stop"),
        ("{{nil}}", "1:2", "<nil>: nil is not a command"),
        ("{{index .Values.tags 9}}", "1:2", "<index .Values.tags 9>: error calling index: index out of range: 9"),
        ("{{len 3}}", "1:2", "<len 3>: error calling len: len of type int"),
        ("{{call .Values.port}}", "1:2", "<call .Values.port>: error calling call: non-function of type int"),
        ("{{range 3}}{{end}}", "1:8", "<3>: range can't iterate over 3"),
        ('{{template "no"}}', "1:11", '<{{template "no"}}>: template "no" not defined'),
        ("{{.Run.ID 1}}", "1:6", "<.Run.ID>: ID is not a method but has arguments"),
        ("{{1 2}}", "1:2", "<1>: can't give argument to non-function 1"),
        ("{{div 1 0}}", "1:2", "<div 1 0>: error calling div: runtime error: integer divide by zero"),
    ],
)
def test_execution_errors(source: str, place: str, expected: str) -> None:
    assert complaint(source) == f'template: acb.yaml:{place}: executing "acb.yaml" at {expected}'


@pytest.mark.parametrize(
    "source",
    ["{{.Run.ID.upper}}", "{{.__class__.x}}", '{{("a").__class__}}', "{{.Values.tags.append}}", "{{.Run.ID.__len__}}"],
)
def test_no_attribute_of_a_python_object_can_be_reached(source: str) -> None:
    complaint(source)


@pytest.mark.parametrize("name", ["env", "expandenv", "getHostByName", "genPrivateKey", "derivePassword", "tpl"])
def test_functions_left_out_are_unknown(name: str) -> None:
    assert complaint(f'{{{{{name} "x"}}}}') == f'template: acb.yaml:1: function "{name}" not defined'


def test_rendering_does_not_change_the_data() -> None:
    data: Map = {"Values": {"m": {}}}
    assert render('{{set .Values.m "k" 1}}', data, name="t") == "map[k:1]"
    assert data == {"Values": {"m": {}}}


@pytest.mark.parametrize(
    "source",
    [
        '{{repeat 1000000000 "x"}}',
        '{{range until 200}}{{repeat 100000 "x"}}{{end}}',
        '{{$x := "ab"}}{{range until 60}}{{$x = print $x $x}}{{end}}{{$x}}',
        "{{$x := list 1}}{{range until 60}}{{$x = list $x $x}}{{end}}{{$x}}",
        "{{$x := dict}}{{range until 60}}{{$x = dict `a` $x `b` $x}}{{end}}{{toJson $x}}",
        "{{range until 3000}}{{range until 3000}}a{{end}}{{end}}",
        "{{until 1000000000}}",
        "{{untilStep -9223372036854775808 9223372036854775807 1}}",
        "{{range until 10000}}{{$x := printf `%999999d` 1}}{{end}}",
        "{{indent 1000000000 `a`}}",
        "{{replace `` (repeat 100000 `b`) (repeat 100000 `a`)}}",
        "{{regexReplaceAll `` (repeat 100000 `b`) (repeat 100000 `a`)}}",
        "{{regexMatch `(?:(?:(?:){1000}){1000}){1000}` `a`}}{{regexFind `(?:(?:(?:){1000}){1000}){1000}` `a`}}",
        "{{$x := repeat 100000 `a`}}{{range until 10000}}{{$y := upper $x}}{{end}}",
        "{{" + "(" * 4000 + "1" + ")" * 4000 + "}}",
        "{{if 1}}" * 4000 + "{{end}}" * 4000,
        "{{.Run.ID}}" * 20000,
        "{{randAlpha 100000000}}",
    ],
)
def test_hostile_templates_are_refused(source: str) -> None:
    with pytest.raises(TaskTooLarge):
        shown(source)


def test_endless_recursion_is_refused() -> None:
    assert "exceeded maximum template depth" in complaint('{{define "t"}}{{template "t"}}{{end}}{{template "t"}}')


def test_a_map_cannot_hold_itself() -> None:
    assert "a map cannot hold itself" in complaint('{{$m := dict}}{{set $m "k" (list $m)}}')
