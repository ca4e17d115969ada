package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tidemark/flags/guarantee"
	"tidemark/metrics/report"
	"tidemark/metrics/simulate"
)

// The demonstration shows all that it is about within a minute of its start, on a
// machine so busy that sending the past takes half of it; and goes on showing it, bad
// candidate or not.
func TestDemoShowsAllWithinAMinute(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			const busy = 30
			th := openTheatre(t, seed, demoStart.Add(-simulate.DemoHistory), func(*simulate.Feature) bool { return true })
			seen := newSights(th)
			th.now = demoStart
			for s := 1; s <= busy; s++ {
				th.now = demoStart.Add(time.Duration(s) * time.Second)
				th.fold(th.now.Add(-simulate.DemoHistory * (busy - time.Duration(s)) / busy))
				seen.look(s)
			}
			th.stage()
			for s := busy + 1; s <= 60; s++ {
				th.until(time.Duration(s) * time.Second)
				seen.look(s)
			}
			seen.check()
			for s := 61; s <= 150; s++ {
				th.until(time.Duration(s) * time.Second)
				if s%10 == 0 {
					seen.judge()
					seen.promises(s)
				}
			}
		})
	}
}

// sights notes what an onlooker has seen, and when (seconds from the start).
type sights struct {
	th                    *theatre
	silent, back          int
	promised              int
	conflicts, violations int64
	live                  int64 // writes of the last 10 seconds
}

func newSights(th *theatre) *sights { return &sights{th: th} }

// judge judges the promises anew, as the server does every ten seconds.
func (s *sights) judge() { check(s.th.t, s.th.judge.Tick(s.th.t.Context(), s.th.now)) }

func (s *sights) look(at int) {
	s.th.t.Helper()
	if at%10 == 0 {
		s.judge()
		if s.promised == 0 && s.told() == demoVerdicts {
			s.promised = at
		}
	}
	states, err := s.th.report.Silence(s.th.t.Context(), "search-index", nil)
	check(s.th.t, err)
	i := slices.IndexFunc(states, func(r report.ReplicaState) bool { return r.Replica == "search-eu" })
	switch {
	case s.silent == 0 && states[i].Silent:
		s.silent = at
	case s.silent > 0 && s.back == 0 && !states[i].Silent:
		s.back = at
	}
}

const demoVerdicts = "broken: search-index; at risk: cart; unknown: invoices; kept: 2"

// told is what the latest verdicts say.
func (s *sights) told() string {
	of := map[guarantee.Verdict]string{}
	snap := s.th.judge.Snapshot()
	for i := range snap.Results {
		of[snap.Results[i].Verdict] += snap.Results[i].Feature
	}
	return fmt.Sprintf("broken: %s; at risk: %s; unknown: %s; kept: %d", of[guarantee.VerdictBroken],
		of[guarantee.VerdictAtRisk], of[guarantee.VerdictUnknown], snap.Count(guarantee.VerdictKept))
}

func (s *sights) promises(at int) {
	s.th.t.Helper()
	if got := s.told(); got != demoVerdicts {
		s.th.t.Errorf("after %d s %s; want %s", at, got, demoVerdicts)
	}
}

// check holds what was seen within the first minute against what is announced.
func (s *sights) check() {
	t := s.th.t
	t.Helper()
	s.promises(60)
	rows, err := s.th.report.Features(t.Context(), report.Query{From: demoStart.Add(-simulate.DemoHistory), To: s.th.now})
	check(t, err)
	for i := range rows.Features {
		s.conflicts += rows.Features[i].Conflicts.Numerator
		for _, g := range rows.Features[i].Violations {
			s.violations += g.Rate.Numerator
		}
	}
	recent, err := s.th.report.Features(t.Context(), report.Query{From: s.th.now.Add(-10 * time.Second), To: s.th.now})
	check(t, err)
	for i := range recent.Features {
		s.live += recent.Features[i].Writes
	}
	if len(rows.Features) != 5 || s.conflicts < 10 || s.violations < 10 || s.live < 100 {
		t.Errorf("%d features, %d conflicts, %d violations, %d writes in the last 10 s", len(rows.Features), s.conflicts, s.violations, s.live)
	}
	if s.silent == 0 || s.back <= s.silent {
		t.Errorf("search-eu was seen silent at %d s and back at %d s; want both within the minute", s.silent, s.back)
	}
	t.Logf("promises as announced at %d s, a replica silent at %d s and back at %d s", s.promised, s.silent, s.back)
}
