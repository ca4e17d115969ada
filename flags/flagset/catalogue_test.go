package flagset

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/audit"
	"tidemark/flags/eval"
	"tidemark/flags/sqlite"
)

const (
	plain    = `{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off"}`
	targeted = `{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"if":[{"$ref":"staff"},"on","off"]}}`
	staff    = `{"ends_with":[{"var":"email"},"@example.com"]}`
)

// clock is a time that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

type harness struct {
	*Catalogue
	store *sqlite.Store
	clock *clock
}

func open4test(t testing.TB) *harness {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &harness{store: store, clock: &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	h.reopen(t)
	return h
}

func (h *harness) reopen(t testing.TB) {
	t.Helper()
	c, err := Open(t.Context(), Options{Store: h.store, Usage: h.store, Now: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	h.Catalogue = c
}

func by(reason string) flags.Author { return flags.Author{Actor: "user:ann", Reason: reason} }

func flagID(key string) flags.DocumentID { return flags.DocumentID{Kind: flags.KindFlag, Name: key} }

func cohortID(name string) flags.DocumentID {
	return flags.DocumentID{Kind: flags.KindCohort, Name: name}
}

func (h *harness) save(t testing.TB, id flags.DocumentID, content string) flags.DocumentVersion {
	t.Helper()
	v, err := h.Save(t.Context(), Edit{ID: id, Content: json.RawMessage(content), Base: AnyBase}, by("because"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (h *harness) answer(key string, ctx eval.Context) string {
	r := h.Set().Evaluate(key, ctx, h.clock.t)
	if r.Code != "" {
		return string(r.Code)
	}
	return r.Variant
}

func TestASavedFlagIsEvaluatedAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	changed := h.Changed()
	v := h.save(t, flagID("dark"), ` { "variants":{"on":true,"off":false}, "state":"ENABLED","defaultVariant":"off" } `)
	select {
	case <-changed:
	default:
		t.Error("the change was not told")
	}
	if v.Revision != 1 || v.Actor != "user:ann" || v.Reason != "because" || v.Version != "v2" {
		t.Errorf("stored %+v", v)
	}
	h.save(t, cohortID("staff"), staff)
	h.save(t, flagID("dark"), targeted)
	want := func() {
		t.Helper()
		if got := h.answer("dark", eval.Context{"email": "ann@example.com"}); got != "on" {
			t.Errorf("staff get %q", got)
		}
		if got := h.answer("dark", eval.Context{"email": "bob@elsewhere"}); got != "off" {
			t.Errorf("others get %q", got)
		}
	}
	want()
	h.reopen(t)
	want()
	if got := h.Head(flagID("dark")).Revision; got != 2 {
		t.Errorf("after a restart at revision %d", got)
	}
}

func TestWhatIsAlreadySaidMakesNoRevision(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	changed := h.Changed()
	if v := h.save(t, flagID("dark"), `{"defaultVariant":"off","variants":{"off":false,"on":true},"state":"ENABLED"}`); v.Revision != 1 {
		t.Errorf("revision %d of the same content", v.Revision)
	}
	select {
	case <-changed:
		t.Error("told of a change that was none")
	default:
	}
}

func TestABadDefinitionIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, cohortID("staff"), staff)
	h.save(t, flagID("dark"), targeted)
	before := h.Set()
	for name, c := range map[string]struct {
		id      flags.DocumentID
		content string
		field   string
	}{
		"default is no variant":          {flagID("dark"), `{"state":"ENABLED","variants":{"on":true},"defaultVariant":"of"}`, "$.flags.dark.defaultVariant"},
		"unknown operator":               {flagID("dark"), `{"state":"ENABLED","variants":{"on":true},"defaultVariant":"on","targeting":{"fractionl":[]}}`, "$.flags.dark.targeting"},
		"unknown cohort":                 {flagID("dark"), strings.Replace(targeted, "staff", "stuff", 1), "$.flags.dark.targeting"},
		"a cohort that refers to itself": {cohortID("staff"), `{"$ref":"staff"}`, "$.$evaluators.staff"},
		"not JSON":                       {flagID("dark"), `{`, ""},
		"two values":                     {flagID("dark"), plain + plain, ""},
		"a name that ends with space":    {flagID("dark "), plain, "metadata.name"},
		"another set":                    {flags.DocumentID{Kind: flags.KindFlagSet, Name: "other"}, `{}`, "metadata.name"},
		"metadata that is no object":     {flags.DocumentID{Kind: flags.KindFlagSet, Name: SetName}, `[1]`, "spec"},
	} {
		_, err := h.Save(t.Context(), Edit{ID: c.id, Content: json.RawMessage(c.content), Base: AnyBase}, by("x"))
		ps, ok := errors.AsType[*flags.ProblemsError](err)
		if !ok || !errors.Is(err, flags.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(ps.Problems[0].Field, c.field) || ps.Problems[0].Message == "" {
			t.Errorf("%s: problems %+v, want one of %q", name, ps.Problems, c.field)
		}
	}
	if h.Set() != before {
		t.Error("the set changed")
	}
	if head, err := h.store.Head(t.Context()); err != nil || head.Size != 2 {
		t.Errorf("%d audit records, %v; want the two saves", head.Size, err)
	}
}

func TestACohortThatIsUsedCannotGo(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, cohortID("staff"), staff)
	h.save(t, flagID("dark"), targeted)
	_, err := h.Delete(t.Context(), cohortID("staff"), 1, by("gone"))
	if !errors.Is(err, flags.ErrInvalid) || !strings.Contains(err.Error(), "staff") {
		t.Errorf("deleting a cohort in use: %v", err)
	}
	inFlags, _ := h.Uses("staff")
	if len(inFlags) != 1 || inFlags[0] != "dark" {
		t.Errorf("used by %v", inFlags)
	}
}

func TestTheSecondOfTwoAuthorsIsToldWhatChanged(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	first := Edit{ID: flagID("dark"), Content: json.RawMessage(strings.Replace(plain, `"defaultVariant":"off"`, `"defaultVariant":"on"`, 1)), Base: 1}
	if _, err := h.Save(t.Context(), first, by("launch")); err != nil {
		t.Fatal(err)
	}
	second := Edit{ID: flagID("dark"), Content: json.RawMessage(strings.Replace(plain, "ENABLED", "DISABLED", 1)), Base: 1}
	_, err := h.Save(t.Context(), second, flags.Author{Actor: "user:bob"})
	c, ok := errors.AsType[*ChangedError](err)
	if !ok || !errors.Is(err, flags.ErrChanged) {
		t.Fatalf("got %v", err)
	}
	if c.Current.Revision != 2 || len(c.Changes) != 1 || c.Changes[0].Field != "defaultVariant" || !strings.Contains(err.Error(), "launch") {
		t.Errorf("told %v, changes %+v", err, c.Changes)
	}
	if h.answer("dark", nil) != "on" {
		t.Error("the first change was lost")
	}
}

func TestAnotherProcessThatChangedAFlagFirstIsNoticed(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	here := h.Catalogue
	h.reopen(t)
	h.save(t, flagID("dark"), strings.Replace(plain, `"defaultVariant":"off"`, `"defaultVariant":"on"`, 1))
	_, err := here.Save(t.Context(), Edit{ID: flagID("dark"), Content: json.RawMessage(targeted), Base: 1}, by("x"))
	if err == nil {
		t.Fatal("saved over what another process stored")
	}
	edit := Edit{ID: flagID("dark"), Content: json.RawMessage(strings.Replace(plain, "ENABLED", "DISABLED", 1)), Base: 1}
	_, err = here.Save(t.Context(), edit, by("x"))
	c, ok := errors.AsType[*ChangedError](err)
	if !ok || c.Current.Revision != 2 || c.Base != 1 {
		t.Fatalf("got %v", err)
	}
	if r := here.Set().Evaluate("dark", nil, h.clock.t); r.Variant != "on" {
		t.Errorf("still answers %q", r.Variant)
	}
	edit.Base = 2
	if _, err := here.Save(t.Context(), edit, by("x")); err != nil {
		t.Errorf("the next try: %v", err)
	}
}

func TestADeletedFlagIsGoneAndCanComeBack(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	if _, err := h.Delete(t.Context(), flagID("dark"), 1, flags.Author{Actor: "user:ann"}); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("without a reason: %v", err)
	}
	if _, err := h.Delete(t.Context(), flagID("dark"), 1, by("served its time")); err != nil {
		t.Fatal(err)
	}
	if got := h.answer("dark", nil); got != string(eval.CodeFlagNotFound) {
		t.Errorf("a deleted flag answers %q", got)
	}
	if _, err := h.Get(flagID("dark")); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	h.reopen(t)
	if got := h.answer("dark", nil); got != string(eval.CodeFlagNotFound) {
		t.Errorf("after a restart it answers %q", got)
	}
	v, err := h.Restore(t.Context(), flagID("dark"), 1, 2, by("not yet"))
	if err != nil || v.Revision != 3 || v.Restores != 1 || h.answer("dark", nil) != "off" {
		t.Errorf("restored %+v, %v", v, err)
	}
	if _, err := h.Restore(t.Context(), flagID("dark"), 2, 3, by("x")); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("restoring a tombstone: %v", err)
	}
	if _, err := h.Restore(t.Context(), flagID("dark"), 1, 3, by("x")); !errors.Is(err, flags.ErrRefused) {
		t.Errorf("restoring what is current: %v", err)
	}
}

func TestEveryChangeHasItsAuditRecord(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	if _, err := h.Delete(t.Context(), flagID("dark"), 1, by("gone")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Restore(t.Context(), flagID("dark"), 1, 2, by("back")); err != nil {
		t.Fatal(err)
	}
	entries, err := h.store.Entries(t.Context(), audit.Query{Subject: "Flag/dark"})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action+" "+e.Reason)
	}
	if got := strings.Join(actions, ", "); got != "flag.restore back, flag.delete gone, flag.save because" {
		t.Errorf("recorded %q", got)
	}
}

func TestAnAssignmentDecidesAndMustFitItsFlag(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	a := flags.Assignment{Rollout: "r1", Flag: "dark", Salt: "s", Percent: flags.Whole, Candidate: "on", Control: "off"}
	if err := h.SetAssignments(t.Context(), []flags.Assignment{a}); err != nil {
		t.Fatal(err)
	}
	if r := h.Set().Evaluate("dark", eval.Context{"targetingKey": "u"}, h.clock.t); r.Variant != "on" || r.Reason != eval.ReasonSplit {
		t.Errorf("got %+v", r)
	}
	a.Candidate = "none"
	if err := h.SetAssignments(t.Context(), []flags.Assignment{a}); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("an unknown variant: %v", err)
	}
	onlyOff := Edit{ID: flagID("dark"), Content: json.RawMessage(`{"state":"ENABLED","variants":{"off":false},"defaultVariant":"off"}`), Base: AnyBase}
	if _, err := h.Save(t.Context(), onlyOff, by("x")); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("taking a variant that a rollout gives: %v", err)
	}
	if _, err := h.Delete(t.Context(), flagID("dark"), 1, by("x")); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("deleting a flag that a rollout holds: %v", err)
	}
	if err := h.SetAssignments(t.Context(), nil); err != nil || h.answer("dark", nil) != "off" {
		t.Errorf("without assignments: %v", err)
	}
}

func TestCompareNamesWhatChanged(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, cohortID("staff"), staff)
	h.save(t, flagID("dark"), plain)
	h.save(t, flagID("dark"), targeted)
	got, err := h.Compare(t.Context(), flagID("dark"), 1, 2)
	if err != nil || len(got) != 1 || got[0].Field != "targeting" || got[0].Before != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := h.Compare(t.Context(), flagID("dark"), 2, 2); err != nil || len(got) != 0 {
		t.Errorf("with itself: %+v, %v", got, err)
	}
	if got, err := h.Compare(t.Context(), flagID("dark"), 0, 1); err != nil || len(got) != 3 {
		t.Errorf("from nothing: %+v, %v", got, err)
	}
	if _, err := h.Compare(t.Context(), flagID("dark"), 1, 9); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("no such revision: %v", err)
	}
}
