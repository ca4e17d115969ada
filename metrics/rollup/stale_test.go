package rollup

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
)

// TestAnIndexTellsWhatLookingAtEachWriteTells, whatever versions and times there are.
func TestAnIndexTellsWhatLookingAtEachWriteTells(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		draw := func() metrics.Version {
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0:
				return metrics.SeqVersion(rapid.Uint64Range(1, 60).Draw(rt, "seq"))
			case 1:
				v, _ := metrics.HLCVersion(fmt.Sprintf("%d.%d.n", rapid.IntRange(1, 30).Draw(rt, "wall"), rapid.IntRange(0, 2).Draw(rt, "logical")))
				return v
			}
			v, _ := metrics.VVVersion(map[string]uint64{"a": rapid.Uint64Range(0, 5).Draw(rt, "a"), "b": rapid.Uint64Range(0, 5).Draw(rt, "b")})
			return v
		}
		at := func() int64 {
			if rapid.IntRange(0, 5).Draw(rt, "known") == 0 {
				return noTime
			}
			return rapid.Int64Range(1, 50).Draw(rt, "at")
		}
		k := &keyState{}
		for i := range rapid.IntRange(manyWrites, 2*manyWrites).Draw(rt, "writes") {
			w := &write{id: fmt.Sprint(i), version: draw()}
			w.committed.t = at()
			if w.version.Kind.TotalOrder() {
				k.ordered = append(k.ordered, w)
			} else {
				k.loose = append(k.loose, w)
			}
		}
		slices.SortFunc(k.ordered, orderWrites)
		e := &Engine{}
		e.withStale(func() {
			for range 3 * manyReads {
				v, now := draw(), rapid.Int64Range(0, 60).Draw(rt, "read")
				n, first := e.newer(k, v, now)
				if wantN, want := k.newer(v, now); n != wantN || first != want {
					rt.Fatalf("%s at %d: %d from %d, want %d from %d", v, now, n, first, wantN, want)
				}
			}
			if x := k.stale; x != nil && x.ready != (x.asked >= manyReads) || x != nil && (x.vectors != nil) != (x.askedVector > 1) {
				rt.Fatalf("after %d and %d questions: index %t and %t", x.asked, x.askedVector, x.ready, x.vectors != nil)
			}
		})
		vectors := indexVectors(k.loose, rapid.IntRange(1, 20).Draw(rt, "step"))
		for range manyReads {
			v, now := draw(), rapid.Int64Range(0, 60).Draw(rt, "read")
			if v.Kind != metrics.VersionVV {
				continue
			}
			n, first := vectors.newer(v, now)
			if wantN, want := k.newer(v, now); n != wantN || first != want {
				rt.Fatalf("%s at %d by marks: %d from %d, want %d from %d", v, now, n, first, wantN, want)
			}
		}
		if k.stale != nil {
			rt.Fatal("the index outlives the time in which no write changes")
		}
	})
}

// BenchmarkStaleReads settles 2,000 reads of a key with 20,000 newer writes.
func BenchmarkStaleReads(b *testing.B) {
	k := &keyState{}
	for i := range 20_000 {
		w := &write{id: fmt.Sprint(i), version: metrics.SeqVersion(uint64(i + 2))}
		w.committed.t = int64(i * 7919 % 20_000)
		k.ordered = append(k.ordered, w)
	}
	for name, newer := range map[string]func(e *Engine, at int64) (int64, int64){
		"each":  func(_ *Engine, at int64) (int64, int64) { return k.newer(metrics.SeqVersion(1), at) },
		"index": func(e *Engine, at int64) (int64, int64) { return e.newer(k, metrics.SeqVersion(1), at) },
	} {
		b.Run(name, func(b *testing.B) {
			e := &Engine{}
			for b.Loop() {
				e.withStale(func() {
					for at := range int64(2000) {
						newer(e, at*10)
					}
				})
			}
		})
	}
}

// BenchmarkStaleVectors settles 2,000 reads of a key with 20,000 writes, by vectors of as
// many nodes as there may be.
func BenchmarkStaleVectors(b *testing.B) {
	vector := func(from int) metrics.Version {
		m := map[string]uint64{}
		for i := range 64 {
			m[fmt.Sprint("node-", i)] = uint64(from + i + 1) //nolint:gosec // not negative
		}
		v, err := metrics.VVVersion(m)
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
	k := &keyState{}
	for i := range 20_000 {
		w := &write{id: fmt.Sprint(i), version: vector(i)}
		w.committed.t = int64(i * 7919 % 20_000)
		k.loose = append(k.loose, w)
	}
	reads := make([]metrics.Version, 2000)
	for i := range reads {
		reads[i] = vector(i * 10)
	}
	for name, newer := range map[string]func(e *Engine, v metrics.Version, at int64) (int64, int64){
		"each":  func(_ *Engine, v metrics.Version, at int64) (int64, int64) { return k.newer(v, at) },
		"index": func(e *Engine, v metrics.Version, at int64) (int64, int64) { return e.newer(k, v, at) },
	} {
		b.Run(name, func(b *testing.B) {
			e := &Engine{}
			for b.Loop() {
				e.withStale(func() {
					for i, v := range reads {
						newer(e, v, int64(i*10))
					}
				})
			}
		})
	}
}
