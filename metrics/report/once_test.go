package report_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/metrics"
	"tidemark/metrics/report"
)

// counting counts what is read of open writes and sources.
type counting struct {
	*list
	open, heard int
}

func (c *counting) OpenWrites(ctx context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	c.open++
	return c.list.OpenWrites(ctx, q)
}

func (c *counting) Heard(ctx context.Context) ([]metrics.Heard, error) {
	c.heard++
	return c.list.Heard(ctx)
}

// ofPage asks what a page asks that has these in common.
func ofPage(tb testing.TB, rep *report.Reporter) []any {
	tb.Helper()
	q := report.Query{Feature: "cart", From: noon.Add(-time.Hour), To: noon}
	f, err := rep.Feature(tb.Context(), q)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := rep.Backlog(tb.Context(), q)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := rep.Hops(tb.Context(), q)
	if err != nil {
		tb.Fatal(err)
	}
	return []any{f, b, h}
}

func manyOpen() *counting {
	c := &counting{list: benchReader([]string{"cart"})}
	for i := range 2_000 {
		c.OpenRows = append(c.OpenRows, metrics.OpenWrite{Feature: "cart", Initiated: noon.Add(-time.Duration(i) * time.Millisecond).UnixNano(), Missing: []string{"eu"}})
	}
	return c
}

func TestQuestionsOfOnePageShareWhatTheyRead(t *testing.T) {
	t.Parallel()
	alone, shared := manyOpen(), manyOpen()
	want := ofPage(t, report.New(alone, now))
	got := ofPage(t, report.New(shared, now).Once())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers that share what they read differ (-alone +shared):\n%s", diff)
	}
	if shared.open != 1 || shared.heard != 1 || alone.open < 2 {
		t.Errorf("open writes were read %d times (alone %d) and sources %d times; want once each", shared.open, alone.open, shared.heard)
	}
}

// BenchmarkPageQuestions asks what a feature's page does of 2,000 open writes.
func BenchmarkPageQuestions(b *testing.B) {
	rep := report.New(manyOpen(), now)
	for name, of := range map[string]func() *report.Reporter{"apart": func() *report.Reporter { return rep }, "once": rep.Once} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ofPage(b, of())
			}
		})
	}
}
