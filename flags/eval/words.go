package eval

import (
	"encoding/json"
	"strings"
)

// phrase puts a rule into words, as a part of a sentence: country is in ["de","fr"].
func phrase(rule any) string {
	m, isRule := rule.(map[string]any)
	if !isRule || len(m) != 1 {
		return literal(rule)
	}
	for name, operands := range m {
		vs, isList := operands.([]any)
		if !isList {
			vs = []any{operands}
		}
		return phraseOf(name, vs)
	}
	return ""
}

func phraseOf(name string, vs []any) string {
	between := map[string]string{
		"==": " equals ", "===": " is exactly ", "!=": " differs from ", "!==": " is not exactly ",
		"<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "in": " is in ",
		"starts_with": " starts with ", "ends_with": " ends with ",
		"+": " + ", "-": " − ", "*": " × ", "/": " ÷ ", "%": " modulo ",
	}[name]
	switch {
	case between != "" && len(vs) > 1:
		return join(vs, between)
	case name == "var" && len(vs) > 0:
		return variableWords(vs)
	case name == "and" || name == "or":
		return "(" + join(vs, " "+name+" ") + ")"
	case name == "!" && len(vs) == 1:
		return "not " + phrase(vs[0])
	case name == "!!" && len(vs) == 1:
		return phrase(vs[0]) + " is there"
	case name == "$ref" && len(vs) == 1:
		s, _ := vs[0].(string)
		return "the cohort " + s
	case name == "sem_ver" && len(vs) == 3:
		operator, _ := vs[1].(string)
		return "version " + phrase(vs[0]) + " " + operator + " " + phrase(vs[2])
	case name == "cat":
		return join(vs, " followed by ")
	case name == "if" || name == "?:" || name == "fractional":
		return name // its parts are steps of their own
	}
	return name + " of " + join(vs, " and ")
}

func variableWords(vs []any) string {
	name, ok := vs[0].(string)
	if !ok {
		name = phrase(vs[0])
	}
	if name == "" {
		return "it"
	}
	return name
}

func join(vs []any, between string) string {
	parts := make([]string, len(vs))
	for i, v := range vs {
		parts[i] = phrase(v)
	}
	return cut(strings.Join(parts, between))
}

func literal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return cut(string(b))
}

// cut keeps a sentence readable.
func cut(s string) string {
	const most = 300
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
