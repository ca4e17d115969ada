package ui

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/audit"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

func (u *UI) auditEntry(c echo.Context) error {
	if _, err := u.ask(c); err != nil {
		return err
	}
	n, err := strconv.ParseInt(c.Param("n"), 10, 64)
	if err != nil {
		return fmt.Errorf("entry %q: %w", c.Param("n"), audit.ErrNoEntry)
	}
	ctx := c.Request().Context()
	e, leaf, err := u.o.Audit.Entry(ctx, n)
	if err != nil {
		return err
	}
	m := page.AuditEntry{
		About: auditAbout(&e), Changes: auditChanges(&e), Leaf: part.Command{ID: "leaf-text", Text: string(leaf)},
	}
	fits, err := u.auditProof(ctx, &m, n, leaf)
	if err != nil {
		return err
	}
	m.Head = auditEntryHead(&e, fits)
	return u.show(c, view{title: "Entry " + format.Count(n), current: "/audit", body: page.ShowAuditEntry(m)})
}

func auditEntryHead(e *audit.Entry, fits bool) part.Head {
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Audit", URL: "/audit"}, {Text: "Entry " + format.Count(e.Index), URL: auditURL(e.Index)}},
		Answer: e.Actor + " did " + e.Action + " to " + e.Subject + ".",
		Tone:   part.Good, Status: part.Status{Tone: part.Good, Text: "In the log, proved"},
	}
	if !fits {
		h.Tone, h.Status = part.Bad, part.Status{Tone: part.Bad, Text: "Does not verify"}
		h.Sub = "What is stored is not what was recorded. Run “tidemark audit verify” to find the first entry that does not fit."
	}
	return h
}

func auditAbout(e *audit.Entry) []page.Pair {
	about := []page.Pair{
		{Name: "Who", Cell: part.To(e.Actor, address("/audit", "actor", e.Actor))},
		{Name: "Did", Cell: part.To(e.Action, address("/audit", "action", e.Action))},
		{Name: "To", Cell: part.To(e.Subject, address("/audit", "subject", e.Subject))},
		{Name: "When", Cell: part.When(e.At.Truncate(time.Second))},
		{Name: "Why", Cell: because(e.Reason)},
	}
	if where := subjectURL(e.Subject); where != "" {
		about = append(about, page.Pair{Name: "Now", Cell: part.To("how it is now", where)})
	}
	return about
}

func auditChanges(e *audit.Entry) page.Changes {
	out := page.Changes{Title: "What changed", None: "The entry records that it happened; there is no state before or after."}
	for _, d := range changedFirst(audit.Diff(e.Before, e.After)) {
		out.Rows = append(out.Rows, page.Change{Field: d.Field, Before: d.Before, After: d.After, Words: d.Words()})
	}
	if len(out.Rows) == 0 && (len(e.Before) > 0 || len(e.After) > 0) {
		out.None = "The state before and after is the same."
	}
	return out
}

// changedFirst puts the parts of a state in which something became something else before
// those that only came to be, such as a decision with all its numbers, which may be long.
func changedFirst(diff []audit.FieldChange) []audit.FieldChange {
	partOf := func(c audit.FieldChange) string {
		if i := strings.IndexAny(c.Field, ".[:"); i >= 0 {
			return c.Field[:i]
		}
		return c.Field
	}
	rank := map[string]int{}
	for _, c := range diff {
		if c.Before != "" && c.After != "" {
			rank[partOf(c)] = -1
		}
	}
	slices.SortStableFunc(diff, func(a, b audit.FieldChange) int { return rank[partOf(a)] - rank[partOf(b)] })
	return diff
}

// auditProof verifies that the entry is in the signed head, or in the current one when
// it was added since, and shows the path.
func (u *UI) auditProof(ctx context.Context, m *page.AuditEntry, n int64, leaf []byte) (fits bool, err error) {
	head, err := u.o.Audit.Head(ctx)
	if err != nil {
		return false, err
	}
	point, err := u.lastCheckpoint(ctx)
	if err != nil {
		return false, err
	}
	signed := part.Cell{Value: part.Value{Under: "not yet: it will be within a minute"}}
	if point != nil && point.Size > n {
		head, signed = point.Head, part.When(point.At)
	}
	proof, err := u.o.Audit.ProveEntry(ctx, head.Size, n)
	if err != nil {
		return false, err
	}
	fits = audit.CheckEntry(head, n, leaf, proof) == nil
	verdict := part.Text("It leads to the root")
	if !fits {
		verdict = part.Of(part.Value{Text: "It does not lead to the root", Tone: part.Bad})
	}
	m.Proof = []page.Pair{
		{Name: "Path", Cell: verdict},
		{Name: "Entry", Cell: mono(tlog.RecordHash(leaf).String())},
		{Name: "Root", Cell: mono(head.Root.String())},
		{Name: "Covers", Cell: part.Text(format.Plural(head.Size, "entry", "entries"))},
		{Name: "Signed", Cell: signed},
	}
	// The proof that is fetched leads to the head that is shown, and not to a newer one.
	get := address("/api/v1/audit/"+strconv.FormatInt(n, 10), "size", strconv.FormatInt(head.Size, 10))
	m.Files = []part.Link{{Text: "Entry with proof (JSON)", URL: get}, {Text: "Checkpoint", URL: "/api/v1/audit/checkpoint?format=note"}}
	m.Path = proofPath(proof, n, head.Size)
	m.Path.Get = part.Downloads{JSON: get}
	return fits, nil
}

func proofPath(proof tlog.RecordProof, n, size int64) page.Section {
	s := page.Section{
		ID: "path", Title: "The path",
		About: "Begin with the entry’s hash. In each step hash a byte 01, the hash on the left and the hash on the right (SHA-256, RFC 6962); the last result is the root.",
		None:  part.Empty{Title: "No step", Text: "The log has one entry: its hash is the root."},
	}
	s.Table = part.Table{Caption: "The path", Columns: []part.Column{{Head: "Step"}, {Head: "This hash is"}, {Head: "Hash"}}}
	left := audit.PathLeft(n, size, len(proof))
	for i, h := range proof {
		side := "on the right"
		if left[i] {
			side = "on the left"
		}
		hash := mono(base64.StdEncoding.EncodeToString(h[:]))
		hash.Class = "break" // it is read in whole, or not at all
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.Text(strconv.Itoa(i + 1)), part.Text(side), hash}})
	}
	return s
}
