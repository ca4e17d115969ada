package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags"
)

// lateSite is a running rollout with some units in each arm, whose writes are judged
// against one second.
type lateSite struct {
	*door

	clock              *clock
	operator, services string
	rollout            flags.Rollout
	units              map[string][]string // by variant
	began              time.Time           // of the first writes
}

func openLateSite(t *testing.T) *lateSite {
	t.Helper()
	s := &lateSite{clock: &clock{}, units: map[string][]string{}}
	s.door = openWith(t, app.Options{Now: s.clock.now})
	s.operator, s.services = s.namedKey("operator", "control", "read"), s.namedKey("services", "evaluate", "publish:*", "consume:*")
	s.do(s.operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	s.rollout = s.begin(s.operator, `{"title":"Late","reason":"try","plan":{"flag":"cart-model","feature":"cart","candidate":"new","control":"old","late_after":"1s",
		"steps":[{"percent":4000,"bake":"1h","min_units":5},{"percent":5000,"bake":"1h","min_units":5},{"percent":10000,"bake":"1h","min_units":5}],
		"guardrails":[{"metric":"late","margin":0.5}]}}`)
	for i := 0; len(s.units["new"]) < 5 || len(s.units["old"]) < 5; i++ {
		unit := fmt.Sprint("user-", i)
		a := s.ask(s.services, "cart-model", fmt.Sprintf(`{"targetingKey":%q}`, unit), http.StatusOK)
		if a.Metadata["arm"] != nil && a.Metadata["arm"] != "rest" && len(s.units[a.Variant]) < 5 {
			s.units[a.Variant] = append(s.units[a.Variant], unit)
		}
	}
	s.began = s.clock.now()
	return s
}

// report sends an event of a write of each unit of a variant, at a time after the first
// writes; the events arrive now.
func (s *lateSite) report(kind, write, variant string, after time.Duration) {
	s.t.Helper()
	var events []string
	for _, unit := range s.units[variant] {
		events = append(events, fmt.Sprintf(
			`{"event_id":"%[1]s-%[2]s-%[3]s","kind":"%[1]s","write_id":"%[2]s-%[3]s","feature":"cart","key":"k-%[2]s-%[3]s","service":"web","flag":"cart-model","unit":%[3]q,"variant":%[4]q,"occurred_at":%[5]d%[6]s}`,
			kind, write, unit, variant, s.began.Add(after).UnixNano(), map[string]string{"initiated": `,"expect":["eu"]`, "visible": `,"replica":"eu"`}[kind]))
	}
	got := read[receipt](s.t, s.post(s.services, "/v1/events", "["+strings.Join(events, ",")+"]", "Content-Type: application/json"), http.StatusOK)
	if got.Accepted != len(events) {
		s.t.Fatalf("%s of %s: %+v", kind, write, got)
	}
}

// late is the share of late writes of each arm in the step that is judged, and of how
// many units.
func (s *lateSite) late() (said string) {
	s.t.Helper()
	s.turn()
	d := s.detail(s.operator, s.rollout.ID)
	share := func(v *float64) string {
		if v == nil {
			return "unknown"
		}
		return fmt.Sprint(*v)
	}
	c := d.Decision.Checks[0]
	return fmt.Sprintf("step %d: candidate %s of %d, control %s of %d", d.Step, share(c.Candidate), d.Decision.CandidateUnits, share(c.Control), d.Decision.ControlUnits)
}

// TestLateEventsCorrectTheirStep: a visible that arrives long after its time counts for
// when it happened, in the step in which its write began, and in the feature's numbers
// by variant; the steps after it do not change.
func TestLateEventsCorrectTheirStep(t *testing.T) {
	t.Parallel()
	s := openLateSite(t)
	expect := func(want string) {
		t.Helper()
		var got string
		s.until(want, func() bool { got = s.late(); return got == want })
	}
	s.report("initiated", "w1", "new", 0)
	s.report("initiated", "w1", "old", 0)
	s.report("visible", "w1", "old", 200*time.Millisecond)
	s.clock.ahead.Store(int64(10 * time.Second))
	expect("step 0: candidate 1 of 5, control 0 of 5")

	s.report("visible", "w1", "new", 300*time.Millisecond) // ten seconds late, and in time
	expect("step 0: candidate 0 of 5, control 0 of 5")

	s.report("initiated", "w2", "new", 10*time.Second)
	s.report("initiated", "w2", "old", 10*time.Second)
	s.clock.ahead.Store(int64(20 * time.Second))
	expect("step 0: candidate 0.5 of 5, control 0.5 of 5")

	s.act(s.operator, s.rollout.ID, "advance", http.StatusOK)
	s.clock.ahead.Store(int64(30 * time.Second))
	s.report("initiated", "w3", "new", 30*time.Second)
	s.report("initiated", "w3", "old", 30*time.Second)
	s.report("visible", "w3", "old", 30*time.Second+200*time.Millisecond)
	s.clock.ahead.Store(int64(40 * time.Second))
	expect("step 1: candidate 1 of 5, control 0 of 5")
	s.report("visible", "w2", "new", 10*time.Second+200*time.Millisecond) // of the step before
	s.report("visible", "w2", "old", 10*time.Second+200*time.Millisecond)
	s.report("visible", "w3", "new", 30*time.Second+5*time.Second) // of this one, and too late
	var lag lagByVariant
	s.until("all are folded", func() bool {
		lag = lagByVariant{}
		s.do(s.operator, http.MethodGet, "/api/v1/features/cart/lag?by=variant&range=1h", "", http.StatusOK, &lag)
		return len(lag.Series) == 2 && lag.Series[0].Total.Count+lag.Series[1].Total.Count == 30
	})
	if got := s.late(); got != "step 1: candidate 1 of 5, control 0 of 5" {
		t.Errorf("after events of the step before it: %s", got)
	}
	for _, v := range lag.Series {
		most := map[string]float64{"new": 5, "old": 0.2}[v.Key] // seconds; the sketch is right within 1 %
		if p99 := float64(v.Total.P99) / 1e9; v.Pending != 0 || p99 < 0.98*most || p99 > 1.02*most {
			t.Errorf("%s: p99 %.3f s with %d pending; want %.1f s and none", v.Key, p99, v.Pending, most)
		}
	}
}

// lagByVariant is what the test reads of a feature's lags.
type lagByVariant struct {
	Series []struct {
		Key     string
		Pending int64
		Total   struct {
			Count int64
			P99   int64 `json:"p99_ns"`
		}
	}
}
