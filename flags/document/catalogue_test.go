package document

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
	"tidemark/flags/sqlite"
)

// crowded is a store in which somebody else is faster, some times.
type crowded struct {
	*sqlite.Store
	t     *testing.T
	times int
	rival string
}

// ApplyDocuments implements flags.GuaranteeStore.
func (s *crowded) ApplyDocuments(ctx context.Context, c flags.Change) error {
	if s.times > 0 {
		s.times--
		other := openOver(s.t, s.Store)
		if _, err := other.Apply(ctx, parse(s.t, s.rival+strings.Repeat(" ", s.times)), flags.Author{Actor: "user:rival"}); err != nil {
			s.t.Error(err)
		}
		s.rival = strings.Replace(s.rival, "version: 1", "version: 2", 1)
	}
	return s.Store.ApplyDocuments(ctx, c)
}

type store interface {
	flags.GuaranteeStore
	flags.RolloutStore
}

func openOver(t *testing.T, s store) *Catalogue {
	t.Helper()
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	set, err := flagset.Open(t.Context(), flagset.Options{Store: s, Rollouts: s, Now: now, CheckPlan: rollout.CheckDocument})
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Promises: guarantee.NewCatalogue(guarantee.Options{Store: s, Now: now}), Flags: set, Rollouts: s, Now: now})
}

func parse(t *testing.T, text string) *Batch {
	t.Helper()
	b, err := Parse("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const rule = "apiVersion: tidemark/v1alpha1\nkind: ReconciliationRule\nmetadata: {name: r}\nspec: {version: 1, strategy: merge}\n"

func TestWhoIsSecondDecidesOnceMoreAndIsThenTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		times int
		want  error
	}{{1, nil}, {2, flags.ErrChanged}} {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		cat := openOver(t, &crowded{Store: db, t: t, times: c.times, rival: rule})
		_, err = cat.Apply(t.Context(), parse(t, strings.Replace(rule, "version: 1", "version: 9", 1)+"---\n"+strings.Replace(rule, "name: r", "name: other", 1)), flags.Author{Actor: "user:ann"})
		if !errors.Is(err, c.want) {
			t.Errorf("%d times: %v, want %v", c.times, err, c.want)
		}
		_, err = db.Document(t.Context(), flags.DocumentID{Kind: flags.KindRule, Name: "other"})
		if stored := err == nil; stored != (c.want == nil) {
			t.Errorf("%d times: the other document is stored: %v", c.times, stored)
		}
	}
}
