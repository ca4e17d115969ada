package ui

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/audit"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// auditRoutes is the URL map of the audit log.
func (u *UI) auditRoutes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/audit", May: access.Control, Handle: u.audit},
		{Method: http.MethodGet, Path: "/audit/:n", May: access.Control, Handle: u.auditEntry},
	}
}

// auditPage is how many entries a page lists.
const auditPage = 50

func (u *UI) audit(c echo.Context) error {
	a, err := u.ask(c, "actor", "action", "subject", "cursor", "check")
	if err != nil {
		return err
	}
	q, err := auditQuery(a)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	entries, err := u.o.Audit.Entries(ctx, q)
	if err != nil {
		return err
	}
	head, err := u.o.Audit.Head(ctx)
	if err != nil {
		return err
	}
	m := page.Audit{
		Filters: auditFilters(a), List: auditRows(a, entries),
		Check: part.Link{Text: "Verify the whole log now", URL: a.with("check", "all", "cursor", "")},
	}
	point, err := u.lastCheckpoint(ctx)
	if err != nil {
		return err
	}
	if point != nil {
		m.Checkpoint, m.Note, m.Files = u.checkpointPairs(ctx, point)
	}
	m.Head = auditHead(head, point)
	if a.v.Get("check") != "" {
		m.Notices = append(m.Notices, u.checkAudit(ctx))
	}
	return u.show(c, view{title: "Audit", current: "/audit", body: page.ShowAudit(m)})
}

func auditQuery(a *asked) (audit.Query, error) {
	q := audit.Query{Actor: a.v.Get("actor"), Action: a.v.Get("action"), Subject: a.v.Get("subject"), Limit: auditPage}
	// Unlike traffic, changes are rare: without a range the list is of all time.
	if a.v.Get("range") != "" || a.v.Get("from") != "" || a.v.Get("to") != "" {
		q.From, q.To = a.query.From, a.query.To
	}
	if s := a.v.Get("cursor"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return q, respond.Bad("cursor", "%q is no cursor of this list.", s)
		}
		q.Before = n
	}
	if s := a.v.Get("check"); s != "" && s != "all" {
		return q, respond.Bad("check", "%q: the only check is all.", s)
	}
	return q, nil
}

// lastCheckpoint is nil when nothing was signed yet.
func (u *UI) lastCheckpoint(ctx context.Context) (*audit.Checkpoint, error) {
	point, err := u.o.Audit.Latest(ctx)
	if errors.Is(err, audit.ErrNoEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &point, nil
}

func auditHead(h audit.Head, point *audit.Checkpoint) part.Head {
	out := part.Head{
		Answer: format.Plural(h.Size, "change is", "changes are") + " recorded, each with its author.",
		Sub:    "Every entry is hashed into one root: none can be altered, removed or moved without being noticed.",
	}
	switch {
	case h.Size == 0:
		out.Answer = "Nothing was changed yet."
	case point == nil:
		out.Sub += " The root was not signed yet."
	case point.Size < h.Size:
		out.Sub += " The first " + format.Count(point.Size) + " are signed."
	}
	return out
}

func (u *UI) checkAudit(ctx context.Context) part.Notice {
	v, err := u.o.Audit.VerifyAgainst(ctx, audit.Trust{})
	if err != nil {
		return part.Notice{Tone: part.Bad, Text: "The log does not verify.", More: err.Error()}
	}
	return part.Notice{
		Tone: part.Tide, Text: "The whole log was read and hashed again: all " + format.Count(v.Head.Size) + " entries fit.",
		More: format.Plural(int64(v.Checkpoints), "signed checkpoint fits", "signed checkpoints fit") + " too. Whoever doubts the server checks an export with “tidemark audit verify FILE --checkpoint KEPT”.",
	}
}

func (u *UI) checkpointPairs(ctx context.Context, p *audit.Checkpoint) ([]page.Pair, part.Command, []part.Link) {
	pairs := []page.Pair{
		{Name: "Entries", Cell: part.Text(format.Count(p.Size))},
		{Name: "Signed", Cell: part.When(p.At)},
		{Name: "Root", Cell: mono(p.Root.String())},
	}
	if public, err := u.o.Audit.Public(ctx); err == nil {
		pairs = append(pairs, page.Pair{Name: "Public key", Cell: mono(public)})
	}
	return pairs, part.Command{ID: "checkpoint-note", Text: string(p.Note)}, []part.Link{
		{Text: "Checkpoint", URL: "/api/v1/audit/checkpoint?format=note"},
		{Text: "Whole log (NDJSON)", URL: "/api/v1/audit/export"},
	}
}

func auditFilters(a *asked) page.Filters {
	text := func(name, label, hint string) page.Filter {
		return page.Filter{Name: name, Label: label, Value: a.v.Get(name), Hint: hint}
	}
	ranges := []page.Option{{Value: "", Text: "Any time"}}
	for _, s := range spans() {
		ranges = append(ranges, page.Option{Value: s.name, Text: "Last " + s.text})
	}
	f := page.Filters{Action: "/audit", Fields: []page.Filter{
		text("actor", "Who", "user:anna, key:*"), text("action", "Did what", "document.*"), text("subject", "To what", "Route/*"),
		{Name: "range", Label: "When", Value: a.v.Get("range"), Options: ranges},
	}}
	for _, name := range []string{"from", "to"} {
		if s := a.v.Get(name); s != "" {
			f.Hidden = append(f.Hidden, page.Hidden{Name: name, Value: s})
			f.Fields = f.Fields[:3] // A range of its own is carried along instead.
		}
	}
	if len(a.v) > 0 {
		f.Clear = "/audit"
	}
	return f
}

func auditRows(a *asked, entries []audit.Entry) page.Section {
	var api []string
	for _, name := range []string{"actor", "action", "subject"} {
		api = append(api, name, a.v.Get(name))
	}
	if a.v.Get("range") != "" || a.v.Get("from") != "" || a.v.Get("to") != "" {
		api = append(api, "from", a.query.From.UTC().Format(time.RFC3339), "to", a.query.To.UTC().Format(time.RFC3339))
	}
	s := page.Section{
		ID: "entries", Title: "Changes, newest first", About: "A filter that ends with * matches what begins so.",
		Get:  part.Downloads{CSV: address("/api/v1/audit", append(api, "format", "csv")...), JSON: address("/api/v1/audit", api...)},
		None: part.Empty{Title: "No change", Text: "No entry matches. Every change of flags, promises, rollouts, keys and people is listed here."},
	}
	s.Table = part.Table{Caption: "Changes", Steps: true, Columns: []part.Column{{Head: "Entry"}, {Head: "When"}, {Head: "Who"}, {Head: "Did"}, {Head: "To"}, {Head: "Why"}}}
	for i := range entries {
		e := &entries[i]
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(format.Count(e.Index), auditURL(e.Index)), part.When(e.At.Truncate(time.Second)), named(e.Actor), part.Text(e.Action), subjectCell(e.Subject), because(e.Reason),
		}})
	}
	if n := len(entries); n == auditPage && entries[n-1].Index > 0 {
		s.Next = part.Link{Text: "Older changes", URL: a.with("cursor", strconv.FormatInt(entries[n-1].Index, 10))}
	}
	return s
}

// named is a cell with a name that may be long and have no place to break.
func named(s string) part.Cell { return part.Cell{Value: part.Value{Text: s}, Class: "name"} }

// subjectCell is named, and leads to where the subject is now.
func subjectCell(subject string) part.Cell {
	c := part.To(subject, subjectURL(subject))
	c.Class = "name"
	return c
}

// subjectURL is the page of what an entry is about; "" where there is none, or none that
// everybody may see who may see the log.
func subjectURL(subject string) string {
	kind, name, _ := strings.Cut(subject, "/")
	switch kind {
	case "rollout":
		return rolloutURL(name)
	case "conflict":
		return conflictURL(name)
	case string(flags.KindGuarantee):
		return guaranteeURL(name)
	}
	for _, k := range []*kindPages{&flagPages, &cohortPages, &rulePages, &labelPages} {
		if kind == string(k.kind) {
			return k.of(name)
		}
	}
	return ""
}

func auditURL(n int64) string { return "/audit/" + strconv.FormatInt(n, 10) }
