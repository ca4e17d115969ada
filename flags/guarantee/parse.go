package guarantee

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"tidemark/flags"
	"tidemark/flags/yamltext"
)

// Limits of what Parse reads.
const (
	MaxFileBytes     = 1 << 20  // one file
	MaxDocumentBytes = 64 << 10 // one document
	MaxDocuments     = 2000     // documents of one file, or of one folder
	maxDepth         = 20       // nesting within a document
)

// Parse reads the documents of one file: YAML or JSON, several documents divided
// by lines of "---". Documents that are empty are skipped. name appears in the
// problems. The error is a *ProblemsError that lists everything that is wrong;
// then no documents are returned.
func Parse(name string, data []byte) ([]flags.Document, error) {
	if len(data) > MaxFileBytes {
		return nil, asError([]Problem{{File: name, Message: fmt.Sprintf("is %d bytes; at most %d are allowed", len(data), MaxFileBytes)}})
	}
	if !utf8.Valid(data) {
		return nil, asError([]Problem{{File: name, Message: "is not UTF-8 text"}})
	}
	chunks := Split(data)
	if len(chunks) > MaxDocuments {
		return nil, asError([]Problem{{File: name, Message: fmt.Sprintf("has %d documents; at most %d are allowed", len(chunks), MaxDocuments)}})
	}
	var docs []flags.Document
	var problems []Problem
	for _, c := range chunks {
		doc, ps := ParseChunk(name, c)
		problems = append(problems, ps...)
		if doc != nil {
			docs = append(docs, *doc)
		}
	}
	if err := asError(problems); err != nil {
		return nil, err
	}
	return docs, nil
}

// Chunk is the text of one document.
type Chunk struct {
	Line int // lines of the file before it
	Text []byte
}

// Split divides a file at its document markers, which can be nothing else when
// they begin a line. Dividing first keeps the cost of a hostile file linear.
func Split(data []byte) []Chunk {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	var out []Chunk
	cur := Chunk{}
	line := 0
	add := func() {
		if len(bytes.TrimSpace(cur.Text)) > 0 {
			out = append(out, cur)
		}
	}
	for l := range bytes.Lines(data) {
		line++
		if isMarker(l) {
			add()
			cur = Chunk{Line: line}
			continue
		}
		cur.Text = append(cur.Text, l...)
	}
	add()
	return out
}

func isMarker(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("---")) && !bytes.HasPrefix(line, []byte("...")) {
		return false
	}
	rest := bytes.TrimSpace(line[3:])
	return len(rest) == 0 || (rest[0] == '#' && (line[3] == ' ' || line[3] == '\t'))
}

// ParseChunk reads one document, with everything that is wrong with it; nil when it has
// only comments.
func ParseChunk(name string, c Chunk) (*flags.Document, []Problem) {
	r := &reader{file: name, line: c.Line, places: map[string]place{}}
	root, p := r.parseNode(c.Text)
	if p != nil {
		return nil, []Problem{*p}
	}
	if root == nil {
		return nil, nil
	}
	top := field{r, "", root}
	doc := r.document(top)
	if doc == nil || len(r.problems) > 0 {
		return nil, r.problems
	}
	doc.Source = name + ":" + strconv.Itoa(c.Line+1)
	for _, p := range Validate(doc) {
		at := r.placeFor(p.Field)
		r.at(p.Field, at, "%s", p.Message)
	}
	return doc, r.problems
}

// placeFor returns where a field is, or where the nearest thing around it is.
func (r *reader) placeFor(path string) place {
	for {
		if at, ok := r.places[path]; ok {
			return at
		}
		i := max(bytes.LastIndexByte([]byte(path), '.'), bytes.LastIndexByte([]byte(path), '['))
		if i < 0 {
			return place{r.line + 1, 1}
		}
		path = path[:i]
	}
}

// parseNode returns the root of one document; nil when it has only comments.
func (r *reader) parseNode(text []byte) (root ast.Node, p *Problem) {
	defer func() {
		// The YAML library may fail on input that nobody has thought of; that is the
		// author's typing error, not the server's end.
		if recover() != nil {
			root, p = nil, &Problem{File: r.file, Line: r.line + 1, Column: 1, Message: "cannot be read as YAML"}
		}
	}()
	if len(text) > MaxDocumentBytes {
		return nil, &Problem{File: r.file, Line: r.line + 1, Column: 1, Message: fmt.Sprintf("the document is %d bytes; at most %d are allowed", len(text), MaxDocumentBytes)}
	}
	if line := tooDeep(text); line > 0 {
		return nil, &Problem{File: r.file, Line: r.line + line, Column: 1, Message: fmt.Sprintf("is nested too deeply; at most %d levels are allowed", maxDepth)}
	}
	file, deep, err := yamltext.Parse(untab(text), maxDepth)
	if errors.Is(err, yamltext.ErrDeep) {
		return nil, &Problem{File: r.file, Line: r.line + deep, Column: 1, Message: fmt.Sprintf("is nested too deeply; at most %d levels are allowed", maxDepth)}
	}
	if err != nil {
		return nil, r.syntaxProblem(err)
	}
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case root != nil:
			at := placeOf(field{r, "", d.Body})
			return nil, &Problem{File: r.file, Line: at.line, Column: at.column, Message: "begins another document; put --- on a line of its own before it"}
		default:
			root = plain(d.Body)
			if p := r.forbidden(d.Body); p != nil {
				return nil, p
			}
		}
	}
	return root, nil
}

func (r *reader) syntaxProblem(err error) *Problem {
	p := &Problem{File: r.file, Line: r.line + 1, Column: 1, Message: "cannot be read as YAML: " + yamltext.Message(err)}
	if line, column := yamltext.Place(err); line > 0 {
		p.Line, p.Column = r.line+line, column
	}
	return p
}

// tooDeep returns the line (from 1) where a document is indented deeper than allowed,
// before a parser that recurses sees it; 0 where it is not.
func tooDeep(text []byte) int {
	line := 0
	for l := range bytes.Lines(text) {
		line++
		if indentLevels(l) > maxDepth {
			return line
		}
	}
	return 0
}

// indentLevels bounds how many levels one line can open: its indentation of two
// or more a level, and each "- " or "? " before its text.
func indentLevels(line []byte) int {
	spaces, marks := 0, 0
	for _, c := range line {
		switch c {
		case ' ', '\t':
			spaces++
		case '-', '?':
			marks++
		default:
			return max(spaces/8, marks)
		}
	}
	return 0
}

// untab lets JSON be indented by tabs, which YAML forbids: it puts a space for
// each tab that begins a line.
func untab(text []byte) []byte {
	t := bytes.TrimSpace(text)
	if len(t) == 0 || t[0] != '{' {
		return text
	}
	out := make([]byte, 0, len(text))
	for l := range bytes.Lines(text) {
		n := len(l) - len(bytes.TrimLeft(l, " \t"))
		out = append(out, bytes.Repeat([]byte{' '}, n)...)
		out = append(out, l[n:]...)
	}
	return out
}

// forbidden looks for what documents may not use anywhere: anchors, aliases,
// merge keys and tags. Without them a document is never larger than its text.
func (r *reader) forbidden(root ast.Node) *Problem {
	f := &finder{}
	ast.Walk(f, root)
	if f.found == nil {
		return nil
	}
	at := placeOf(field{r, "", f.found})
	return &Problem{File: r.file, Line: at.line, Column: at.column, Message: "is " + kindOf(f.found)}
}

type finder struct{ found ast.Node }

// Visit implements ast.Visitor.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	if f.found != nil {
		return nil
	}
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode, *ast.TagNode, *ast.DirectiveNode:
		f.found = n
		return nil
	}
	return f
}
