package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
)

// Parse reads one file: documents in YAML or JSON, divided by lines of "---", and among
// them flagd's own files, which have "flags" and no kind. name appears in the problems.
// The error is a *flags.ProblemsError with everything that is wrong.
func Parse(name string, data []byte) (*Batch, error) {
	if len(data) > MaxBytes {
		return nil, flags.AsProblems([]flags.Problem{{File: name, Message: fmt.Sprintf("is %d bytes; at most %d are allowed", len(data), MaxBytes)}})
	}
	if !utf8.Valid(data) {
		return nil, flags.AsProblems([]flags.Problem{{File: name, Message: "is not UTF-8 text"}})
	}
	chunks := guarantee.Split(data)
	if len(chunks) > MaxDocuments {
		return nil, flags.AsProblems([]flags.Problem{{File: name, Message: fmt.Sprintf("has %d documents; at most %d are allowed", len(chunks), MaxDocuments)}})
	}
	out := &Batch{}
	var problems []flags.Problem
	for _, c := range chunks {
		b, ps := parseChunk(name, c)
		problems = append(problems, ps...)
		if len(ps) == 0 {
			out.add(b)
		}
	}
	return out, flags.AsProblems(problems)
}

// Load reads every document below a folder: the files that end in .yaml, .yml or .json.
func Load(fsys fs.FS) (*Batch, error) {
	out := &Batch{}
	problems, err := guarantee.ReadFiles(fsys, func(name string, data []byte) (int, error) {
		b, err := Parse(name, data)
		if err != nil {
			return 0, err
		}
		out.add(b)
		return b.Len(), nil
	})
	if err != nil {
		return nil, err
	}
	return out, flags.AsProblems(problems)
}

func parseChunk(name string, c guarantee.Chunk) (*Batch, []flags.Problem) {
	raw, err := eval.YAMLToJSON(c.Text)
	if err != nil {
		return unreadable(name, c, err)
	}
	p := chunkParser{source: name + ":" + strconv.Itoa(c.Line+1)}
	var top map[string]json.RawMessage
	if json.Unmarshal(raw, &top) != nil {
		p.problem("", "is not an object; a document has apiVersion, kind, metadata and spec, and a flagd file has flags")
		return nil, p.problems
	}
	kind, hasKind := top["kind"]
	if _, isFlagd := top["flags"]; isFlagd && !hasKind {
		return p.flagd(c.Text, top), p.problems
	}
	k := flags.DocumentKind(p.text("kind", kind))
	switch {
	case len(p.problems) > 0:
	case k == flags.KindGuarantee || k == flags.KindRoute:
		return promise(name, c)
	case flagset.Keeps(k):
		return p.edit(k, top), p.problems
	default:
		p.problem("kind", "%q is not a kind of document; allowed: %s", clip(string(k)), kindWords())
	}
	return nil, p.problems
}

// unreadable says why text is no YAML, with the place where that is known.
func unreadable(name string, c guarantee.Chunk, err error) (*Batch, []flags.Problem) {
	if b, ps := promise(name, c); len(ps) > 0 || b.Len() == 0 {
		return b, ps // What is wrong; or nothing, when there are only comments.
	}
	p := chunkParser{source: name + ":" + strconv.Itoa(c.Line+1)}
	p.invalid(err)
	return nil, p.problems
}

func promise(name string, c guarantee.Chunk) (*Batch, []flags.Problem) {
	d, ps := guarantee.ParseChunk(name, c)
	if d == nil || len(ps) > 0 {
		return &Batch{}, ps
	}
	return &Batch{Promises: []flags.Document{*d}}, nil
}

// chunkParser reads one document of the kinds that package flagset keeps, or a flagd
// file.
type chunkParser struct {
	source   string
	problems []flags.Problem
}

func (p *chunkParser) problem(field, format string, args ...any) {
	p.problems = append(p.problems, flags.Problem{File: p.source, Field: field, Message: fmt.Sprintf(format, args...)})
}

// invalid takes over what eval found.
func (p *chunkParser) invalid(err error) {
	bad, ok := errors.AsType[*eval.Invalid](err)
	if !ok {
		p.problem("", "%s", err)
		return
	}
	for _, x := range bad.Problems {
		p.problem(x.Path, "%s", x.Message)
	}
}

// text is a member that must be text and not be empty.
func (p *chunkParser) text(field string, raw json.RawMessage) string {
	var s string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		p.problem(field, "is missing")
	case json.Unmarshal(raw, &s) != nil:
		p.problem(field, "must be text; put %s in quotes", clip(string(raw)))
	case s == "":
		p.problem(field, "is empty")
	}
	return s
}

func (p *chunkParser) only(path string, m map[string]json.RawMessage, known ...string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, name) {
			p.problem(strings.TrimPrefix(path+"."+name, "."), "is not a known field; allowed here: %s", strings.Join(known, ", "))
		}
	}
}

// flagd reads a file of flagd's as it is.
func (p *chunkParser) flagd(text []byte, top map[string]json.RawMessage) *Batch {
	d, err := eval.ParseFlagd(text)
	if err != nil {
		p.invalid(err)
		return nil
	}
	b := &Batch{}
	add := func(kind flags.DocumentKind, name string, content json.RawMessage) {
		b.Edits = append(b.Edits, flagset.Edit{ID: flags.DocumentID{Kind: kind, Name: name}, Content: content, Base: flagset.AnyBase, Source: p.source})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Cohorts)) {
		add(flags.KindCohort, name, d.Cohorts[name])
	}
	for _, key := range slices.Sorted(maps.Keys(d.Flags)) {
		add(flags.KindFlag, key, d.Flags[key].Content)
	}
	if d.Metadata != nil {
		add(flags.KindFlagSet, flagset.SetName, top["metadata"])
	}
	return b
}

// edit reads a document of a kind that package flagset keeps.
func (p *chunkParser) edit(kind flags.DocumentKind, top map[string]json.RawMessage) *Batch {
	p.only("", top, "apiVersion", "kind", "metadata", "spec")
	if v := p.text("apiVersion", top["apiVersion"]); v != "" && v != flags.APIVersion {
		p.problem("apiVersion", "%q is not known; it must be %s", clip(v), flags.APIVersion)
	}
	e := flagset.Edit{ID: flags.DocumentID{Kind: kind}, Content: top["spec"], Base: flagset.AnyBase, Source: p.source}
	title := p.metadata(kind, top["metadata"], &e.ID.Name)
	if len(e.Content) == 0 || string(e.Content) == "null" {
		p.problem("spec", "is missing")
		return nil
	}
	switch kind {
	case flags.KindFlag:
		p.bucketing(&e)
	case flags.KindRolloutPlan:
		p.title(&e, title)
	}
	return &Batch{Edits: []flagset.Edit{e}}
}

// metadata reads the name and, of a plan, the title.
func (p *chunkParser) metadata(kind flags.DocumentKind, raw json.RawMessage, name *string) (title string) {
	var m map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		p.problem("metadata", "is missing; it holds the name")
		return ""
	}
	known := []string{"name"}
	if kind == flags.KindRolloutPlan {
		known = append(known, "title")
	}
	p.only("metadata", m, known...)
	*name = p.text("metadata.name", m["name"])
	if t, ok := m["title"]; ok && kind == flags.KindRolloutPlan {
		title = p.text("metadata.title", t)
	}
	return title
}

// bucketing is kept beside a flag's definition, which is flagd's.
func (p *chunkParser) bucketing(e *flagset.Edit) {
	m, ok := p.members(e)
	raw, has := m["bucketing"]
	if !ok || !has {
		return
	}
	e.Bucketing = flags.Bucketing(p.text("spec.bucketing", raw))
	delete(m, "bucketing")
	p.put(e, m)
}

// title is kept with the plan.
func (p *chunkParser) title(e *flagset.Edit, title string) {
	m, ok := p.members(e)
	if !ok {
		return
	}
	if _, has := m["title"]; has {
		p.problem("spec.title", "is not a field of a plan; write metadata.title")
		return
	}
	if title != "" {
		m["title"], _ = json.Marshal(title) // Text always encodes.
		p.put(e, m)
	}
}

func (p *chunkParser) members(e *flagset.Edit) (m map[string]json.RawMessage, ok bool) {
	if json.Unmarshal(e.Content, &m) != nil || m == nil {
		p.problem("spec", "must be an object")
		return nil, false
	}
	return m, true
}

func (p *chunkParser) put(e *flagset.Edit, m map[string]json.RawMessage) {
	raw, err := json.Marshal(m)
	if err != nil {
		p.problem("spec", "cannot be written as JSON: %s", err)
		return
	}
	e.Content = raw
}

func kindWords() string {
	out := make([]string, 0, len(Kinds()))
	for _, k := range Kinds() {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// clip shortens text that is quoted back at its author.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
