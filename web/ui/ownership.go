package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/flagset"
	"tidemark/flags/policy"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// ownershipPages are about which services a feature declares. Members of the team that
// owns a feature may change it too.
var ownershipPages = kindPages{kind: flags.KindOwnership, may: access.Control, url: "/ownership", api: "/api/v1/ownership", one: "declaration", many: "declarations", title: "Declared services"}

// mayChange reports whether the reader may change the document: those who may change
// all, and members of the team that owns the feature which declares its services.
func (k *kindPages) mayChange(c echo.Context, name string) bool {
	who := auth.Who(c)
	return who.May(k.may) || k.kind == flags.KindOwnership && who.MayControl(name)
}

// declaredLink leads from who may do what to what features declare.
var declaredLink = part.Link{Text: "See which services features declare.", URL: ownershipPages.url}

// ownershipRoutes is the URL map of the pages about declared services.
func (u *UI) ownershipRoutes() []auth.Route {
	if u.o.Policy == nil || u.o.Flags == nil {
		return nil
	}
	change := func(path string, about func(echo.Context) ([]string, error), h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodPost, Path: ownershipPages.url + path, May: ownershipPages.may, About: about, Handle: h}
	}
	form := func(c echo.Context) ([]string, error) { return []string{strings.TrimSpace(c.FormValue("key"))}, nil }
	path := func(c echo.Context) ([]string, error) { return []string{pathParam(c, "key")}, nil }
	return []auth.Route{
		{Method: http.MethodGet, Path: ownershipPages.url, May: access.Read, Handle: respond.Takes(func(c echo.Context) error { return u.showOwnerships(c, nil) }, "q", "feature")},
		{Method: http.MethodGet, Path: ownershipPages.url + "/:key", May: access.Read, Handle: respond.Takes(func(c echo.Context) error { return u.showOwnership(c, nil) }, "revision")},
		change("", form, u.createOwnership), change("/:key", path, u.saveOwnership),
		change("/:key/restore", path, func(c echo.Context) error { return u.restoreDefinition(c, ownershipPages) }),
		change("/:key/delete", path, func(c echo.Context) error { return u.deleteDefinition(c, ownershipPages) }),
	}
}

// The answers to who may do something: those whose key says so, or those listed.
const (
	byKeys   = "keys"
	byList   = "list"
	byNobody = "nobody"
)

// ownershipAttempt is what somebody sent, and what was wrong with it.
type ownershipAttempt struct {
	attempt

	publish, publishers, consume, consumers, description string
}

func readOwnership(c echo.Context, name string, base int64) *ownershipAttempt {
	return &ownershipAttempt{
		attempt: attempt{key: name, reason: c.FormValue("reason"), base: base},
		publish: c.FormValue("publish"), publishers: c.FormValue("publishers"),
		consume: c.FormValue("consume"), consumers: c.FormValue("consumers"), description: c.FormValue("description"),
	}
}

// namesIn are the names in a field: one a line, or with commas between them.
func namesIn(text string) []string {
	out := []string{}
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// amiss is a mistake that is told beside the form.
func amiss(field, message string) error {
	return flags.AsProblems([]flags.Problem{{Field: field, Message: message}})
}

// declared is the list that a choice and a field stand for: nil declares nothing. A
// choice that leaves out what the field names is refused, or a name would be lost.
func declared(field, choice, text string) ([]string, error) {
	names := namesIn(text)
	switch {
	case choice == byList && len(names) == 0:
		return nil, amiss(field, "Name the services, or choose who may in the field before.")
	case choice == byList:
		return names, nil
	case choice != byKeys && choice != byNobody:
		return nil, amiss(field, fmt.Sprintf("%q is no answer to who may; want keys, list or nobody.", choice))
	case len(names) > 0:
		return nil, amiss(field, "Names services that the field before leaves out. Choose “only these services”, or leave this empty.")
	case choice == byNobody:
		return names, nil
	}
	return nil, nil
}

func (u *UI) storeOwnership(c echo.Context, t *ownershipAttempt) error {
	o := policy.Ownership{Description: t.description}
	if o.Publishers, t.err = declared("publishers", t.publish, t.publishers); t.err != nil {
		return t.err
	}
	if o.Consumers, t.err = declared("consumers", t.consume, t.consumers); t.err != nil {
		return t.err
	}
	content, err := json.Marshal(o)
	if err != nil {
		return err
	}
	t.err = u.storeDefinition(c, &flagset.Edit{ID: flags.DocumentID{Kind: flags.KindOwnership, Name: t.key}, Content: content, Base: t.base}, t.reason)
	return t.err
}

func (u *UI) createOwnership(c echo.Context) error {
	name := strings.TrimSpace(c.FormValue("key"))
	t := readOwnership(c, name, u.baseOfNew(flags.DocumentID{Kind: flags.KindOwnership, Name: name}))
	if u.storeOwnership(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, ownershipPages.of(t.key))
	}
	return u.showOwnerships(c, t)
}

func (u *UI) saveOwnership(c echo.Context) error {
	base, err := formRevision(c, "base")
	if err != nil {
		return err
	}
	t := readOwnership(c, pathParam(c, "key"), base)
	if u.storeOwnership(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, ownershipPages.of(t.key))
	}
	return u.showOwnership(c, t)
}

func (t *ownershipAttempt) status() (int, error) {
	if t == nil {
		return http.StatusOK, nil
	}
	return t.attempt.status()
}
