package policy

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

//go:embed schema.cedarschema
var vocabulary []byte

// Vocabulary is what policies can speak of, as a Cedar schema.
func Vocabulary() string { return string(vocabulary) }

// Checker holds policies to the vocabulary, and knows those that come with the program.
// It never changes and is safe for concurrent use.
type Checker struct {
	validator *validate.Validator
	base      []Base
}

// NewChecker returns a Checker. An error is a mistake in the program.
func NewChecker() (*Checker, error) {
	var s schema.Schema
	s.SetFilename("schema.cedarschema")
	if err := s.UnmarshalCedar(vocabulary); err != nil {
		return nil, fmt.Errorf("vocabulary of policies: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("vocabulary of policies: %w", err)
	}
	c := &Checker{validator: validate.New(resolved)}
	c.base, err = readBase()
	return c, err
}

// types says what a policy speaks of that is not there, each with its place where the
// text has the word.
func (c *Checker) types(text string, p *cedar.Policy) []string {
	err := c.validator.Policy("", (*ast.Policy)(p.AST()))
	if err == nil {
		return nil
	}
	var out []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		out = append(out, place(text, line)+line)
	}
	return out
}

var quotedWord = regexp.MustCompile("`([^`]+)`")

// place is "line 2, column 7: " of the first word that a message quotes and the text
// has, else "": the validator knows no places.
func place(text, message string) string {
	for _, m := range quotedWord.FindAllStringSubmatch(message, -1) {
		word := m[1][strings.LastIndexByte(m[1], '.')+1:]
		at := regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(word) + `($|\W)`).FindStringIndex(text)
		if at == nil {
			continue
		}
		start := at[0] + strings.Index(text[at[0]:], word)
		return placeOf(text, start)
	}
	return ""
}

// placeOf puts an offset in bytes into words.
func placeOf(text string, at int) string {
	before := text[:at]
	return where(1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]))
}

func where(line, column any) string { return fmt.Sprintf("line %v, column %v: ", line, column) }

// parseError is the form of what the parser says: with a place, and mostly with the word
// that is there.
var parseError = regexp.MustCompile(`(?s)^(?:parser error: )?(?:parse error at )?<input>:(\d+):(\d+)(?: "(.*?)")?: (.*)$`)

// readable makes of a parser's error what the author of the text can use.
func readable(text string, err error) string {
	m := parseError.FindStringSubmatch(err.Error())
	if m == nil {
		return strings.TrimPrefix(err.Error(), "parser error: ")
	}
	said, at := m[4], where(m[1], m[2])
	exact, isExact := strings.CutPrefix(said, "exact got ")
	got, want, _ := strings.Cut(exact, " want ")
	switch {
	case isExact && got == "":
		said = "found the end of the text where " + want + " must stand"
	case isExact: // The place is that of the word after it.
		said = "found " + got + " where " + want + " must stand"
		before := text[:offset(text, m[1], m[2])]
		if i := strings.LastIndex(before, got); i >= 0 {
			at = placeOf(text, i)
		}
	case m[3] != "":
		said += fmt.Sprintf(", near %q", m[3])
	}
	return at + said
}

// offset is where a line and a column are, in bytes.
func offset(text, line, column string) int {
	l, _ := strconv.Atoi(line) // Both are digits.
	c, _ := strconv.Atoi(column)
	at := 0
	for range l - 1 {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	for range c - 1 {
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at
}
