package session

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
)

// fakeWrite is a write by its applied times; awaited replicas have Unapplied.
type fakeWrite struct{ at map[uint32]int64 }

func (w *fakeWrite) Replicas(yield func(uint32, int64)) {
	for _, r := range []uint32{1, 2, 3} {
		if t, ok := w.at[r]; ok {
			yield(r, t)
		}
	}
}

type verdict struct {
	Op        int
	Guarantee metrics.Metric
	Replica   uint32
	Verdict   string
}

func check(ops []Op) []verdict {
	var out []verdict
	Check(ops, func(f Finding) {
		out = append(out, verdict{f.Op, f.Guarantee, f.Replica, f.Verdict.String()})
	})
	slices.SortFunc(out, orderVerdicts)
	return out
}

func orderVerdicts(a, b verdict) int {
	return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Guarantee, b.Guarantee), cmp.Compare(a.Replica, b.Replica))
}

// reference is the definition read aloud: each operation is compared with every one
// before it.
func reference(ops []Op) []verdict {
	var out []verdict
	for i, op := range ops {
		if op.Write == nil {
			out = append(out, referenceRead(ops, i)...)
		} else {
			out = append(out, referenceWrite(ops, i)...)
		}
	}
	slices.SortFunc(out, orderVerdicts)
	return out
}

func referenceRead(ops []Op, i int) []verdict {
	op := ops[i]
	if op.Seq == 0 {
		return []verdict{{i, metrics.MetricRYW, 0, "unverifiable"}, {i, metrics.MetricMR, 0, "unverifiable"}}
	}
	var out []verdict
	for _, g := range []metrics.Metric{metrics.MetricRYW, metrics.MetricMR} {
		var before []metrics.Version
		for _, e := range ops[:i] {
			relevant := e.Seq != 0 && e.Key == op.Key && (e.Write != nil) == (g == metrics.MetricRYW)
			if relevant && (e.Write != nil || !e.Version.IsZero()) {
				before = append(before, e.Version)
			}
		}
		if len(before) > 0 {
			out = append(out, verdict{i, g, 0, referenceCompare(op.Version, before)})
		}
	}
	return out
}

func referenceCompare(got metrics.Version, before []metrics.Version) string {
	worst := "ok"
	for _, a := range before {
		for _, b := range before {
			if metrics.Compare(a, b) == metrics.Incomparable {
				return "unverifiable"
			}
		}
	}
	all := metrics.Version{}
	for _, b := range before {
		all, _ = metrics.Join(all, b)
	}
	switch metrics.Compare(got, all) {
	case metrics.Incomparable:
		return "unverifiable"
	case metrics.Before:
		return "older"
	case metrics.Concurrent:
		return "concurrent"
	}
	return worst
}

func referenceWrite(ops []Op, i int) []verdict {
	var out []verdict
	for r, at := range ops[i].Write.(*fakeWrite).at {
		if at == Unapplied {
			continue
		}
		if ops[i].Seq == 0 {
			out = append(out, verdict{i, metrics.MetricMW, r, "unverifiable"}, verdict{i, metrics.MetricWFR, r, "unverifiable"})
			continue
		}
		if v := referenceFollow(ops[:i], r, at, func(o Op) (Write, bool) { return o.Write, o.Write != nil }); v != "" {
			out = append(out, verdict{i, metrics.MetricMW, r, v})
		}
		v := referenceFollow(ops[:i], r, at, func(o Op) (Write, bool) {
			return o.Source, o.Write == nil && (o.Source != nil || !o.Version.IsZero())
		})
		if v != "" {
			out = append(out, verdict{i, metrics.MetricWFR, r, v})
		}
	}
	return out
}

func referenceFollow(before []Op, r uint32, at int64, pick func(Op) (Write, bool)) string {
	result := ""
	for _, o := range before {
		w, ok := pick(o)
		if o.Seq == 0 || !ok {
			continue
		}
		if result == "" {
			result = "ok"
		}
		if w == nil {
			continue
		}
		a, known := w.(*fakeWrite).at[r]
		switch {
		case known && a == Unapplied && result == "ok":
			result = "pending"
		case known && a != Unapplied && a > at:
			result = "violated"
		}
	}
	return result
}

func genOps(t *rapid.T) []Op {
	version := func() metrics.Version {
		switch rapid.IntRange(0, 5).Draw(t, "version kind") {
		case 0:
			return metrics.Version{}
		case 1, 2, 3:
			return metrics.SeqVersion(uint64(rapid.IntRange(1, 6).Draw(t, "seq")))
		}
		v, err := metrics.VVVersion(map[string]uint64{
			"a": uint64(rapid.IntRange(0, 2).Draw(t, "a")), "b": uint64(rapid.IntRange(0, 2).Draw(t, "b")),
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	write := func() *fakeWrite {
		w := &fakeWrite{at: map[uint32]int64{}}
		for r := uint32(1); r <= 3; r++ {
			switch rapid.IntRange(0, 3).Draw(t, "applied") {
			case 0:
				w.at[r] = Unapplied
			case 1, 2:
				w.at[r] = int64(rapid.IntRange(1, 9).Draw(t, "at"))
			}
		}
		return w
	}
	var ops []Op
	for i := range rapid.IntRange(0, 12).Draw(t, "operations") {
		op := Op{Key: metrics.Entity(rapid.IntRange(1, 2).Draw(t, "key")), Version: version()}
		if rapid.IntRange(0, 5).Draw(t, "has seq") > 0 {
			op.Seq = int64(i + 1)
		}
		if rapid.Bool().Draw(t, "write") {
			op.Write = write()
		} else if rapid.Bool().Draw(t, "source known") {
			op.Source = write()
		}
		ops = append(ops, op)
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.Seq, b.Seq) })
	return ops
}

func TestCheckAgreesWithTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ops := genOps(rt)
		if d := gocmp.Diff(reference(ops), check(ops)); d != "" {
			rt.Fatalf("(-definition +check):\n%s", d)
		}
	})
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	seq := metrics.SeqVersion
	applied := func(at int64) *fakeWrite { return &fakeWrite{at: map[uint32]int64{1: at}} }
	missing := &fakeWrite{at: map[uint32]int64{1: Unapplied}}
	for _, tt := range []struct {
		name string
		ops  []Op
		want []verdict
	}{
		{"nothing before, nothing to check", []Op{{Seq: 1, Version: seq(3)}}, nil},
		{
			"a read misses the session's write",
			[]Op{{Seq: 1, Version: seq(5), Write: applied(1)}, {Seq: 2, Version: seq(4)}},
			[]verdict{{1, metrics.MetricRYW, 0, "older"}},
		},
		{
			"a read goes back",
			[]Op{{Seq: 1, Version: seq(5)}, {Seq: 2, Version: seq(4)}},
			[]verdict{{1, metrics.MetricMR, 0, "older"}},
		},
		{
			"a write overtakes the one before",
			[]Op{{Seq: 1, Version: seq(1), Write: applied(9)}, {Seq: 2, Version: seq(2), Write: applied(3)}},
			[]verdict{{1, metrics.MetricMW, 1, "violated"}},
		},
		{
			"the one before is not there yet",
			[]Op{{Seq: 1, Version: seq(1), Write: missing}, {Seq: 2, Version: seq(2), Write: applied(3)}},
			[]verdict{{1, metrics.MetricMW, 1, "pending"}},
		},
		{
			"a write overtakes what was read",
			[]Op{{Seq: 1, Version: seq(1), Source: applied(9)}, {Seq: 2, Version: seq(2), Write: applied(3)}},
			[]verdict{{1, metrics.MetricWFR, 1, "violated"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := gocmp.Diff(tt.want, check(tt.ops)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
