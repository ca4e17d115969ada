package ui

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/policy"
	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
)

// owners says who may report about features as it is: by teams, keys and declarations.
func (u *UI) owners(ctx context.Context, features ...string) ([]access.Ownership, error) {
	teams, err := u.o.People.Teams(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := u.o.Keys.Keys(ctx)
	if err != nil {
		return nil, err
	}
	return u.o.Policy.Set().Owners(features, teams, keys, u.o.Now()), nil
}

func (u *UI) showOwnerships(c echo.Context, t *ownershipAttempt) error {
	status, err := t.status()
	if err != nil {
		return err
	}
	owners, err := u.owners(c.Request().Context())
	if err != nil {
		return err
	}
	q := strings.TrimSpace(c.QueryParam("q"))
	m := page.Definitions{Filters: page.Filters{Action: ownershipPages.url, Fields: []page.Filter{{Name: "q", Label: "Feature holds", Value: q}}}}
	if q != "" {
		m.Filters.Clear = ownershipPages.url
	}
	all := u.o.Flags.List(flags.KindOwnership)
	m.List = ownershipRows(all, owners, q)
	m.Head = part.Head{
		Crumbs: []part.Crumb{{Text: "Access", URL: accessURL}, {Text: "Declared services"}}, Tone: part.Neutral,
		Answer: "No feature declares its services: whoever’s key says so may report about it.",
		Sub:    "A declaration narrows what keys allow, and gives nothing by itself. Others are refused, and listed as attempts.",
	}
	if n := int64(len(all)); n > 0 {
		m.Head.Tone, m.Head.Answer = part.Good, format.Plural(n, "feature declares", "features declare")+" who may report about it."
		if n > 1 {
			m.Head.Answer = format.Count(n) + " features declare who may report about them."
		}
	}
	if id := auth.Who(c); id.May(ownershipPages.may) || id.IsPerson() && len(id.User.Features) > 0 {
		m.New = u.newOwnershipForm(t, c.QueryParam("feature"), id)
	}
	return u.show(c, view{title: "Declared services", current: accessURL, status: status, body: page.ShowDefinitions(m)})
}

// listedOr puts a declared list into a cell.
func listedOr(names []string) part.Cell {
	switch {
	case names == nil:
		return part.Text("by keys")
	case len(names) == 0:
		return part.Text("nobody")
	}
	return tags(names)
}

func ownershipOf(v *flags.DocumentVersion) (o policy.Ownership) {
	_ = json.Unmarshal(v.Content, &o) // It was checked when it was stored.
	return o
}

func ownershipRows(all []flags.DocumentVersion, owners []access.Ownership, q string) page.Section {
	s := page.Section{ID: "declared", Title: "Features that declare their services", Get: both(ownershipPages.api)}
	s.None = part.Empty{Title: "No declaration here", Text: "Without one, every key with a scope for the feature may report about it."}
	s.Table = part.Table{Caption: s.Title, Steps: true, Columns: []part.Column{{Head: "Feature"}, {Head: "Owning team"}, {Head: "Publishers"}, {Head: "Consumers"}, {Head: "Changed"}, {Head: "By"}}}
	for i := range all {
		v := &all[i]
		if !holds(v.ID.Name, q) {
			continue
		}
		o := ownershipOf(v)
		name := part.To(v.ID.Name, ownershipPages.of(v.ID.Name))
		name.Under = o.Description
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			name, teamCell(ownerOf(owners, v.ID.Name).Team), listedOr(o.Publishers), listedOr(o.Consumers), part.When(v.At), actorCell(v.Actor),
		}})
	}
	return s
}

func teamCell(team string) part.Cell {
	if team == "" {
		return part.Cell{Status: part.Status{Tone: part.Warn, Text: "None"}}
	}
	return part.To(team, itemURL("teams", team))
}

func ownerOf(owners []access.Ownership, feature string) access.Ownership {
	for i := range owners {
		if owners[i].Feature == feature {
			return owners[i]
		}
	}
	return access.Ownership{Feature: feature}
}

func ownershipFields(t *ownershipAttempt) []page.Field {
	reason := whyField("reason")
	reason.Value = t.reason
	who := options(byKeys, "whoever’s key says so", byList, "only these services", byNobody, "nobody")
	return []page.Field{
		{Name: "publish", Label: "Who may publish", Kind: "pick", Value: t.publish, Options: who, Broad: true, Hint: "Publishers report everything about the feature."},
		{Name: "publishers", Label: "Publishers", Kind: "list", Value: t.publishers, Broad: true, Max: maxDefinition, Hint: "Names of API keys, one a line."},
		{Name: "consume", Label: "Who may consume", Kind: "pick", Value: t.consume, Options: who, Broad: true, Hint: "Consumers report what happens at replicas. Publishers may, too."},
		{Name: "consumers", Label: "Consumers", Kind: "list", Value: t.consumers, Broad: true, Max: maxDefinition, Hint: "Names of API keys, one a line."},
		{Name: "description", Label: "Description", Value: t.description, Broad: true, Max: 1000, Hint: "In words, for people."},
		reason,
	}
}

func (u *UI) newOwnershipForm(t *ownershipAttempt, feature string, id *access.Identity) *page.Form {
	f := &page.Form{
		ID: "new", Title: "Declare a feature’s services", Button: "Declare the services", Action: ownershipPages.url, Open: t != nil || feature != "",
		Does: "In force at once: events from services that it leaves out are refused. The way back: delete it.",
	}
	if t == nil {
		t = &ownershipAttempt{attempt: attempt{key: feature}, publish: byList, consume: byKeys}
	} else {
		f.Problems, _, _ = t.problems()
	}
	name := page.Field{Name: "key", Label: "Feature", Required: true, Max: metrics.MaxName, Value: t.key, Hint: "As events name it."}
	for _, f := range u.o.Reader.Features() {
		name.Options = append(name.Options, page.Option{Value: f})
	}
	if !id.May(ownershipPages.may) {
		name.Hint = "One that your teams own: " + format.List(id.User.Features) + "."
	}
	f.Fields = append([]page.Field{name}, ownershipFields(t)...)
	return f
}

func (u *UI) showOwnership(c echo.Context, t *ownershipAttempt) error {
	status, err := t.status()
	if err != nil {
		return err
	}
	id := documentID(c, &ownershipPages)
	ctx := c.Request().Context()
	versions, err := u.o.Flags.Versions(ctx, id)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return unknown("declaration", id.Name)
	}
	owners, err := u.owners(ctx, id.Name)
	if err != nil {
		return err
	}
	cur, now := &versions[0], ownerOf(owners, id.Name)
	o := ownershipOf(cur)
	m := page.Declaration{Head: ownershipHead(cur, &o), About: ownershipPairs(cur, &o, &now), Below: u.attemptRows(id.Name)}
	var d page.Definition
	if err := u.fillVersions(c, &ownershipPages, &d, versions); err != nil {
		return err
	}
	m.Changes, m.Versions, m.Restore = d.Changes, d.Versions, d.Restore
	m.Versions.Get.CSV = ""
	if ownershipPages.mayChange(c, id.Name) && !gone(cur) {
		m.Edit, m.Forms = editOwnershipForm(cur, &o, t), []page.Form{deleteOwnershipForm(cur)}
	}
	return u.show(c, view{title: id.Name + ": services", current: accessURL, status: status, body: page.ShowDeclaration(m)})
}

func ownershipHead(cur *flags.DocumentVersion, o *policy.Ownership) part.Head {
	name := cur.ID.Name
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Access", URL: accessURL}, {Text: "Declared services", URL: ownershipPages.url}, {Text: name}},
		Tone:   part.Good, Sub: o.Description, Facts: []string{"revision " + format.Count(cur.Revision)},
		Link: part.Link{Text: "See the feature.", URL: featureURL(name)},
	}
	if gone(cur) {
		h.Tone, h.Answer, h.Sub = part.Neutral, name+" declares no services any more: keys decide.", "Open a revision below to restore it."
		return h
	}
	say := func(verb string, names []string) string {
		switch {
		case names == nil:
			return "whoever’s key says so may " + verb
		case len(names) == 0:
			return "nobody may " + verb
		}
		return format.Plural(int64(len(names)), "service", "services") + " may " + verb
	}
	h.Answer = "Of " + name + ", " + say("publish", o.Publishers) + ", and " + say("consume", o.Consumers) + "."
	return h
}

// ownershipPairs compare what is declared with what keys make of it.
func ownershipPairs(cur *flags.DocumentVersion, o *policy.Ownership, now *access.Ownership) []page.Pair {
	without := func(names, may []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(may, n) })
	}
	keyless := append(without(o.Publishers, now.Publishers), without(o.Consumers, slices.Concat(now.Consumers, now.Publishers))...)
	slices.Sort(keyless)
	keyless = slices.Compact(keyless)
	return []page.Pair{
		{Name: "Owning team", Cell: teamCell(now.Team)},
		{Name: "May publish now", Cell: tagsOr(now.Publishers, "none")},
		{Name: "May consume now", Cell: tagsOr(now.Consumers, "none")},
		{Name: "Declared, without a live key", Cell: tagsOr(keyless, "none")},
		{Name: "Changed", Cell: part.When(cur.At)},
		{Name: "By", Cell: actorCell(cur.Actor)},
	}
}

// choice is how a declared list is said in the form.
func choice(names []string) string {
	switch {
	case names == nil:
		return byKeys
	case len(names) == 0:
		return byNobody
	}
	return byList
}

func editOwnershipForm(cur *flags.DocumentVersion, o *policy.Ownership, t *ownershipAttempt) *page.Form {
	f := &page.Form{
		ID: "edit", Title: "Who may report about it", Open: true, Button: "Store as revision " + revisionText(cur.Revision+1),
		Does:   "Stored, it is in force at once: events from services that it leaves out are refused. The way back: restore an earlier revision.",
		Action: ownershipPages.of(cur.ID.Name), Hidden: []page.Hidden{{Name: "base", Value: revisionText(cur.Revision)}},
	}
	if t == nil {
		t = &ownershipAttempt{
			publish: choice(o.Publishers), publishers: strings.Join(o.Publishers, "\n"),
			consume: choice(o.Consumers), consumers: strings.Join(o.Consumers, "\n"), description: o.Description,
		}
	} else {
		f.Problems, _, _ = t.problems()
	}
	f.Fields = ownershipFields(t)
	return f
}

func deleteOwnershipForm(cur *flags.DocumentVersion) page.Form {
	return page.Form{
		ID: "delete", Title: "Delete", Button: "Delete the declaration", Danger: true, Action: ownershipPages.of(cur.ID.Name) + "/delete",
		Does:   "Whoever’s key says so may report about the feature again. The way back: restore a revision; the history stays.",
		Hidden: []page.Hidden{{Name: "base", Value: revisionText(cur.Revision)}},
		Fields: []page.Field{whyField("delete-reason")},
	}
}
