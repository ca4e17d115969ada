package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// definitionRoutes is the URL map of the pages about flags and cohorts.
func (u *UI) definitionRoutes() []auth.Route {
	if u.o.Flags == nil {
		return nil
	}
	var out []auth.Route
	kinds := []kindPages{flagPages, cohortPages}
	if u.o.Judge != nil {
		kinds = append(kinds, rulePages)
	}
	for _, k := range kinds {
		asked := []string{"revision", "context"}
		if k.kind == flags.KindRule {
			asked = asked[:1]
		}
		on := func(h func(echo.Context, kindPages) error) echo.HandlerFunc {
			return func(c echo.Context) error { return h(c, k) }
		}
		change := func(path string, h func(echo.Context, kindPages) error) auth.Route {
			return auth.Route{Method: http.MethodPost, Path: k.url + path, May: access.Control, Handle: on(h)}
		}
		heavy := k.kind == flags.KindRule // They say how far what was reported is what a rule gives.
		out = append(out,
			auth.Route{Method: http.MethodGet, Path: k.url, May: access.Read, Handle: respond.Takes(on(u.definitions), "q"), Heavy: heavy},
			auth.Route{Method: http.MethodGet, Path: k.url + "/:key", May: access.Read, Handle: respond.Takes(on(u.definition), asked...), Heavy: heavy},
			change("", u.createDefinition), change("/:key", u.saveDefinition),
			change("/:key/restore", u.restoreDefinition), change("/:key/delete", u.deleteDefinition),
		)
	}
	return append(out, auth.Route{Method: http.MethodPost, Path: flagPages.url + "/:key/switch", May: access.Control, Handle: u.switchFlag})
}

// kindPages are the pages of one kind of document.
type kindPages struct {
	kind       flags.DocumentKind
	url        string // of the list
	api        string
	one, many  string // in words
	title      string
	definition string // label of the definition
	hint       string
	example    string
	may        access.Permission // to change one
}

var (
	flagPages = kindPages{
		kind: flags.KindFlag, may: access.Control, url: "/flags", api: "/api/v1/flags", one: "flag", many: "flags", title: "Flags",
		definition: "Definition", hint: "In flagd’s format: state, variants, defaultVariant, targeting, metadata.",
		example: "{\n  \"state\": \"ENABLED\",\n  \"variants\": {\n    \"eventual\": {\"model\": \"eventual\"},\n    \"causal\": {\"model\": \"causal\"}\n  },\n  \"defaultVariant\": \"eventual\",\n  \"metadata\": {\"description\": \"\"}\n}",
	}
	cohortPages = kindPages{
		kind: flags.KindCohort, may: access.Control, url: "/cohorts", api: "/api/v1/cohorts", one: "cohort", many: "cohorts", title: "Cohorts",
		definition: "Rule", hint: "JsonLogic over the context, with flagd’s operators: fractional, starts_with, ends_with, sem_ver.",
		example: "{\"in\": [{\"var\": \"country\"}, [\"se\", \"no\"]]}",
	}
)

func (k *kindPages) of(key string) string { return k.url + "/" + escaped(key) }

// maxDefinition is the most characters of a definition in a form.
const maxDefinition = 60_000

func documentID(c echo.Context, k *kindPages) flags.DocumentID {
	return flags.DocumentID{Kind: k.kind, Name: pathParam(c, "key")}
}

func indented(raw []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}

func whyField(id string) page.Field {
	return page.Field{Name: id, Label: "Reason", Required: true, Max: maxReason, Broad: true, Hint: "Kept in the history and the audit log, beside your name."}
}

// attempt is what somebody sent, and what was wrong with it.
type attempt struct {
	key, content, reason string
	base                 int64
	err                  error
}

// status is that of the page which shows what was wrong; the error itself where a form
// does not explain it.
func (t *attempt) status() (int, error) {
	_, status, ok := t.problems()
	if !ok {
		return 0, t.err
	}
	return status, nil
}

// baseOfNew is what a new document goes over: 0, or the revision by which an earlier one
// of its name was deleted.
func (u *UI) baseOfNew(id flags.DocumentID) int64 {
	if head := u.o.Flags.Head(id); gone(&head) {
		return head.Revision
	}
	return 0
}

// problems lists what is wrong, and whether somebody else was faster. ok is false for
// errors that a form does not explain.
func (t *attempt) problems() (list []page.FormProblem, status int, ok bool) {
	if many, is := errors.AsType[*flags.ProblemsError](t.err); is {
		for _, p := range many.Problems {
			list = append(list, page.FormProblem{Path: p.Field, Message: p.Message})
		}
		return list, http.StatusUnprocessableEntity, true
	}
	if changed, is := errors.AsType[*flagset.ChangedError](t.err); is {
		by := "It was deleted meanwhile."
		if changed.Current.Revision > 0 {
			by = "It is at revision " + strconv.FormatInt(changed.Current.Revision, 10) + " now, by " + actorName(changed.Current.Actor) + ": " + changed.Current.Reason
		}
		list = append(list, page.FormProblem{Message: "Somebody else changed it meanwhile. " + by})
		for _, d := range changed.Changes {
			list = append(list, page.FormProblem{Message: d.Words + "."})
		}
		return append(list, page.FormProblem{Message: "What you wrote is still below. Compare, and store it again: it then goes over that revision."}), http.StatusConflict, true
	}
	if errors.Is(t.err, flags.ErrInvalid) || errors.Is(t.err, flags.ErrRefused) {
		p := respond.From(t.err)
		return []page.FormProblem{{Path: p.Field, Message: strings.TrimPrefix(p.Detail, "invalid: ")}}, p.Status, true
	}
	return nil, 0, false
}

// editForm changes the definition that is current, or shows what was wrong with a try.
func (k *kindPages) editForm(v *flags.DocumentVersion, t *attempt) *page.Form {
	f := &page.Form{
		ID: "edit", Title: k.definition, Open: true, Button: "Store as revision " + strconv.FormatInt(v.Revision+1, 10),
		Does:   "Stored, it is in force at once for every new evaluation. The way back: restore an earlier revision.",
		Action: k.of(v.ID.Name), Hidden: []page.Hidden{{Name: "base", Value: strconv.FormatInt(v.Revision, 10)}},
		Fields: []page.Field{
			{Name: "definition", Label: k.definition, Kind: "area", Value: indented(v.Content), Required: true, Broad: true, Max: maxDefinition, Hint: k.hint},
			whyField("reason"),
		},
	}
	if t != nil {
		f.Fields[0].Value, f.Fields[1].Value = t.content, t.reason
		f.Problems, _, _ = t.problems()
	}
	return f
}

func (k *kindPages) newForm(t *attempt) *page.Form {
	f := &page.Form{
		ID: "new", Title: "New " + k.one, Button: "Create the " + k.one, Action: k.url, Open: t != nil,
		Does: "Nobody gets anything of it before some code asks for it. The way back: delete it.",
		Fields: []page.Field{
			{Name: "key", Label: "Key", Required: true, Max: eval.MaxKeyBytes, Hint: "What code asks for; it cannot be changed later."},
			{Name: "definition", Label: k.definition, Kind: "area", Value: k.example, Required: true, Broad: true, Max: maxDefinition, Hint: k.hint},
			whyField("reason"),
		},
	}
	switch k.kind {
	case flags.KindCohort:
		f.Does = "A named rule that flags and rollouts refer to. The way back: delete it."
	case flags.KindRule:
		f.Fields[0].Label, f.Fields[0].Hint = "Name", "What services name on conflict events; it cannot be changed later."
		f.Does = "What conflicts are compared with that name it. The way back: delete it."
	}
	if t != nil {
		f.Fields[0].Value, f.Fields[1].Value, f.Fields[2].Value = t.key, t.content, t.reason
		f.Problems, _, _ = t.problems()
	}
	return f
}

func (u *UI) createDefinition(c echo.Context, k kindPages) error {
	t := attempt{key: c.FormValue("key"), content: c.FormValue("definition"), reason: c.FormValue("reason")}
	edit := flagset.Edit{ID: flags.DocumentID{Kind: k.kind, Name: t.key}, Content: json.RawMessage(t.content)}
	if t.err = u.storeDefinition(c, &edit, t.reason); t.err == nil {
		return c.Redirect(http.StatusSeeOther, k.of(t.key))
	}
	return u.showDefinitions(c, &k, &t)
}

func (u *UI) saveDefinition(c echo.Context, k kindPages) error {
	base, err := formRevision(c, "base")
	if err != nil {
		return err
	}
	t := attempt{key: pathParam(c, "key"), content: c.FormValue("definition"), reason: c.FormValue("reason"), base: base}
	edit := flagset.Edit{ID: documentID(c, &k), Content: json.RawMessage(t.content), Base: base}
	if t.err = u.storeDefinition(c, &edit, t.reason); t.err == nil {
		return c.Redirect(http.StatusSeeOther, k.of(t.key))
	}
	return u.showDefinition(c, &k, &t)
}

// storeDefinition needs a reason of people, as every change in a page does.
func (u *UI) storeDefinition(c echo.Context, e *flagset.Edit, reason string) error {
	by := flags.Author{Actor: auth.Who(c).Actor(), Reason: reason}
	if err := by.Check(true); err != nil {
		return err
	}
	_, err := u.o.Flags.Save(c.Request().Context(), *e, by)
	return err
}

func formRevision(c echo.Context, name string) (int64, error) {
	n, err := strconv.ParseInt(c.FormValue(name), 10, 64)
	if err != nil || n < 1 {
		return 0, respond.Bad(name, "%q is no revision. Revisions are whole numbers from 1.", c.FormValue(name))
	}
	return n, nil
}

// formRevisionOr is formRevision for a field that may be left out.
func formRevisionOr(c echo.Context, name string, otherwise int64) (int64, error) {
	if c.FormValue(name) == "" {
		return otherwise, nil
	}
	return formRevision(c, name)
}

func (u *UI) restoreDefinition(c echo.Context, k kindPages) error {
	n, err := formRevision(c, "revision")
	if err != nil {
		return err
	}
	id := documentID(c, &k)
	base, err := formRevisionOr(c, "base", u.o.Flags.Head(id).Revision)
	if err != nil {
		return err
	}
	by := flags.Author{Actor: auth.Who(c).Actor(), Reason: c.FormValue("reason")}
	if _, err := u.o.Flags.Restore(c.Request().Context(), id, n, base, by); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, k.of(id.Name))
}

func (u *UI) deleteDefinition(c echo.Context, k kindPages) error {
	base, err := formRevision(c, "base")
	if err != nil {
		return err
	}
	id := documentID(c, &k)
	by := flags.Author{Actor: auth.Who(c).Actor(), Reason: c.FormValue("delete-reason")}
	if err := by.Check(true); err != nil {
		return err
	}
	if _, err := u.o.Flags.Delete(c.Request().Context(), id, base, by); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, k.url)
}

// definition is one flag or cohort. A deleted one is still there, with its history.
func (u *UI) definition(c echo.Context, k kindPages) error { return u.showDefinition(c, &k, nil) }

func (u *UI) showDefinition(c echo.Context, k *kindPages, t *attempt) error {
	ctx := c.Request().Context()
	id := documentID(c, k)
	versions, err := u.o.Flags.Versions(ctx, id)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return unknown(k.one, id.Name)
	}
	status := http.StatusOK
	if t != nil {
		var explained bool
		if _, status, explained = t.problems(); !explained {
			return t.err
		}
	}
	if k.kind == flags.KindRule {
		return u.showRule(c, versions, t, status)
	}
	cur := &versions[0]
	m := page.Definition{Source: part.Command{ID: "definition-text", Text: indented(cur.Content)}}
	if k.kind == flags.KindFlag {
		err = u.fillFlag(c, &m, cur)
	} else {
		err = u.fillCohort(c, &m, cur)
	}
	if err != nil {
		return err
	}
	if err := u.fillVersions(c, k, &m, versions); err != nil {
		return err
	}
	if auth.Who(c).May(access.Control) && !gone(cur) {
		m.Edit = k.editForm(cur, t)
		m.Forms = append(m.Forms, k.deleteForm(cur))
	}
	return u.show(c, view{title: id.Name, current: k.url, status: status, body: page.ShowDefinition(m)})
}

// gone reports whether a revision says that the document was deleted.
func gone(v *flags.DocumentVersion) bool { return v.Content == nil || v.Status != flags.StatusActive }

func (k *kindPages) deleteForm(v *flags.DocumentVersion) page.Form {
	f := page.Form{
		ID: "delete", Title: "Delete", Button: "Delete the " + k.one, Danger: true, Action: k.of(v.ID.Name) + "/delete",
		Does:   "Whoever asks for it gets the default in the code. The way back: restore a revision; the history stays.",
		Hidden: []page.Hidden{{Name: "base", Value: strconv.FormatInt(v.Revision, 10)}},
		Fields: []page.Field{whyField("delete-reason")},
	}
	if k.kind == flags.KindCohort {
		f.Does = "Refused while a flag or a rollout refers to it. The way back: restore a revision; the history stays."
	}
	return f
}

// fillVersions lists the revisions, and compares two of them.
func (u *UI) fillVersions(c echo.Context, k *kindPages, m *page.Definition, vs []flags.DocumentVersion) error {
	cur := &vs[0]
	id, to := cur.ID, cur.Revision
	if s := c.QueryParam("revision"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 || n > to {
			return respond.Bad("revision", "There is no revision %q. Revisions are whole numbers from 1 to %d.", s, to)
		}
		to = n
	}
	from := max(to-1, 0)
	m.Changes = page.Changes{Title: "What revision " + strconv.FormatInt(to, 10) + " changed", None: "It says the same as the one before."}
	if to != cur.Revision {
		from = cur.Revision
		m.Changes.Title = "From revision " + strconv.FormatInt(from, 10) + " back to " + strconv.FormatInt(to, 10)
	}
	diff, err := u.o.Flags.Compare(c.Request().Context(), id, from, to)
	if err != nil {
		return err
	}
	for _, d := range diff {
		m.Changes.Rows = append(m.Changes.Rows, page.Change{Field: d.Field, Before: d.Before, After: d.After, Words: d.Words})
	}
	s := page.Section{ID: "versions", Title: "Revisions, newest first", About: "Every change makes one; none is ever changed or removed.", Get: part.Downloads{
		CSV: k.api + "/" + escaped(id.Name) + "/versions?format=csv", JSON: k.api + "/" + escaped(id.Name) + "/versions",
	}}
	s.Table = part.Table{Caption: "Revisions", Columns: []part.Column{{Head: "Revision"}, {Head: "When"}, {Head: "By"}, {Head: "Why"}}}
	for i := range vs {
		v := &vs[i]
		first := part.To(strconv.FormatInt(v.Revision, 10), address(k.of(id.Name), "revision", strconv.FormatInt(v.Revision, 10)))
		switch {
		case v.Restores > 0:
			first.Under = "restores " + strconv.FormatInt(v.Restores, 10)
		case gone(v):
			first.Under = "deletes it"
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Current: v.Revision == to, Cells: []part.Cell{first, part.When(v.At), actorCell(v.Actor), because(v.Reason)}})
	}
	m.Versions = s
	if to != cur.Revision && k.mayChange(c, id.Name) {
		m.Restore = &page.Restore{
			Action: k.of(id.Name) + "/restore", Revision: strconv.FormatInt(to, 10), Base: revisionText(cur.Revision),
			Text: "What revision " + strconv.FormatInt(to, 10) + " says becomes a new revision, in force at once. Nothing is lost: the present one stays in the history and can be restored too.",
		}
	}
	return nil
}
