package flagdcore

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"tidemark/flags/eval"
)

// TestRefusesWhatFlagdRefuses damages definitions at random. What flagd's JSON schema
// refuses must be refused here too, with the place.
func TestRefusesWhatFlagdRefuses(t *testing.T) {
	t.Parallel()
	var jobs []job
	for seed := range uint64(3000) {
		g := newGenerator(100_000 + seed)
		f := g.file(1)
		g.damage(f)
		jobs = append(jobs, job{Now: nowSeconds, File: encode(t, f)})
	}
	refused, missed := 0, 0
	for i, v := range ask(t, jobs) {
		d, err := eval.ParseFlagd(jobs[i].File)
		if err == nil {
			_, err = eval.Compile(d)
		}
		invalid, ok := errors.AsType[*eval.Invalid](err)
		if err != nil && (!ok || len(invalid.Problems) == 0 || invalid.Problems[0].Path == "" || invalid.Problems[0].Message == "") {
			t.Errorf("refused without a reason: %v", err)
		}
		if err != nil {
			refused++
		}
		// A targeting of null is none, to flagd's evaluator as to ours; only its schema minds.
		if !v.Valid && err == nil && !bytes.Contains(jobs[i].File, []byte(`"targeting":null`)) {
			if missed++; missed < 10 {
				t.Errorf("taken, but flagd's schema refuses it:\n%s\n%.600s", jobs[i].File, v.Why)
			}
		}
	}
	t.Logf("%d of %d refused", refused, len(jobs))
	if refused < len(jobs)/4 {
		t.Error("too few definitions are damaged: the test finds too little")
	}
}

// damage changes one part of a definition for something that may not stand there.
func (g generator) damage(f object) {
	type place struct {
		set  func(any)
		drop func()
	}
	var places []place
	var walk func(v any, into func(any))
	walk = func(v any, into func(any)) {
		switch c := v.(type) {
		case object:
			keys := make([]string, 0, len(c))
			for k := range c {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				places = append(places, place{func(x any) { c[k] = x }, func() { delete(c, k) }})
				walk(c[k], func(x any) { c[k] = x })
			}
			if len(c) > 0 {
				places = append(places, place{func(x any) { c["extra"] = x }, func() { c[one(g, "=<", "whatever", "+", "if")] = array{1.0, 2.0} }})
			}
		case array:
			for i := range c {
				places = append(places, place{func(x any) { c[i] = x }, func() { into(slices.Delete(slices.Clone(c), i, i+1)) }})
				walk(c[i], func(x any) { c[i] = x })
			}
			places = append(places, place{func(x any) { into(append(slices.Clone(c), x)) }, func() { into(array{}) }})
		}
	}
	walk(f["flags"], func(any) {})
	walk(f["$evaluators"], func(any) {})
	p := places[g.IntN(len(places))]
	if g.chance(40) {
		p.drop()
		return
	}
	p.set(one[any](g, nil, true, -3.0, 2.5, "odd", "", array{}, array{"a"}, object{}, object{"no": 1.0}, object{"var": "$flagd.x"}))
}
