package flagset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
)

func (h *harness) ask(key string, ctx eval.Context, times int) {
	for range times {
		set := h.Set()
		r := set.Evaluate(key, ctx, h.clock.t)
		h.Observe(set, &r)
		h.Asked(ctx)
	}
}

func TestUsageIsCountedByAnswerAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, cohortID("staff"), staff)
	h.save(t, flagID("dark"), targeted)
	in, out := eval.Context{"email": "a@example.com"}, eval.Context{"email": "b@x"}
	h.ask("dark", in, 3)
	h.ask("dark", out, 5)
	h.ask("none", in, 2)
	if h.Unknown() != 2 {
		t.Errorf("%d questions for unknown flags", h.Unknown())
	}
	check := func(count int64) {
		t.Helper()
		u, err := h.Usage(t.Context(), "dark", DefaultStale)
		if err != nil {
			t.Fatal(err)
		}
		if u.Count != count || len(u.Answers) != 2 || u.Answers[0].Variant != "off" || u.Answers[0].Reason != "TARGETING_MATCH" || u.Last.IsZero() {
			t.Errorf("usage %+v, want %d", u, count)
		}
	}
	check(8)
	for range 2 { // The second has nothing to add.
		if err := h.FlushUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(8)
	}
	h.ask("dark", out, 1)
	check(9)
	if err := h.FlushUsage(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reopen(t)
	check(9)
}

func TestAFlagThatHasServedItsTimeIsStale(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, cohortID("staff"), staff)
	for _, key := range []string{"idle", "settled", "busy", "held", "young"} {
		h.save(t, flagID(key), targeted)
	}
	h.save(t, flagID("off"), strings.Replace(plain, "ENABLED", "DISABLED", 1))
	h.clock.t = h.clock.t.Add(40 * flags.Day)
	h.save(t, flagID("young"), plain)
	if err := h.SetAssignments(t.Context(), []flags.Assignment{{Rollout: "r", Flag: "held", Salt: "s", Percent: 1, Candidate: "on", Control: "off"}}); err != nil {
		t.Fatal(err)
	}
	in, out := eval.Context{"email": "a@example.com"}, eval.Context{"email": "b@x"}
	h.ask("settled", out, 9)
	h.ask("off", out, 9)
	h.ask("busy", in, 1)
	h.ask("busy", out, 9)
	all, err := h.Usages(t.Context(), DefaultStale)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"idle": "was not evaluated here for 30 d", "settled": `answered "off" to everyone for 30 d`,
		"off": "was off for everyone for 30 d", "busy": "", "held": "", "young": "",
	} {
		if got := all[key].Stale; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestACohortsShareIsEstimatedFromASample(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, cohortID("staff"), staff)
	h.save(t, flagID("dark"), targeted)
	all, err := h.Estimates()
	if err != nil || all["staff"].Share != nil {
		t.Fatalf("before any traffic: %+v, %v; want unknown", all["staff"], err)
	}
	const n = 30_000
	for i := range n {
		email := "x@elsewhere"
		if i%4 == 0 {
			email = "x@example.com"
		}
		ctx := eval.Context{"targetingKey": fmt.Sprint(i / 4 * 4), "email": email, "tidemark.pin": "secret"}
		h.Asked(ctx)
	}
	h.clock.t = h.clock.t.Add(time.Minute)
	if all, err = h.Estimates(); err != nil {
		t.Fatal(err)
	}
	e := all["staff"]
	if e.Seen != n || e.Sampled != SampleSize/2 || e.Share == nil {
		t.Fatalf("estimate %+v", e)
	}
	// Five standard errors: one run in a million fails by chance.
	if math.Abs(*e.Share-0.25) > 0.005+5*math.Sqrt(0.25*0.75/float64(e.Sampled)) || *e.Low >= *e.Share || *e.High <= *e.Share {
		t.Errorf("share %v within %v and %v, want 0.25", *e.Share, *e.Low, *e.High)
	}
	if e.Units == 0 || e.UnitsIn == 0 || e.UnitsIn > e.Units {
		t.Errorf("units %d of %d", e.UnitsIn, e.Units)
	}
	for _, w := range h.sample.take().contexts {
		if _, ok := w.context["tidemark.pin"]; ok {
			t.Fatal("a pin is in the sample")
		}
	}
}

func TestTheSampleForgetsAndIsBounded(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	offer := func(n int, size int) {
		for i := range n {
			h.sample.offer(eval.Context{"targetingKey": fmt.Sprint(i), "pad": strings.Repeat("x", size)})
		}
	}
	offer(10, MaxSampledBytes)
	if s := h.sample.take(); len(s.contexts) != 0 || s.large != 10 {
		t.Errorf("too large contexts: %d taken, %d counted", len(s.contexts), s.large)
	}
	h.sample = newSample(h.clock.now)
	offer(7000, 1)
	h.clock.t = h.clock.t.Add(SampleSpan)
	h.sample.turn()
	offer(7000, 1)
	if s := h.sample.take(); len(s.contexts) != SampleSize || s.seen != 14_000 {
		t.Errorf("%d contexts of %d", len(s.contexts), s.seen)
	}
	h.clock.t = h.clock.t.Add(SampleSpan)
	h.sample.turn()
	if s := h.sample.take(); s.seen != 7000 {
		t.Errorf("an hour later it was drawn from %d", s.seen)
	}
	h.clock.t = h.clock.t.Add(SampleSpan)
	if s := h.sample.take(); s.seen != 0 || len(s.contexts) != 0 {
		t.Errorf("two hours later %d of %d are left", len(s.contexts), s.seen)
	}
}

func TestARuleCanBeTriedBeforeItIsStored(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.offer(100)
	e, err := h.TryCohort(t.Context(), "new", json.RawMessage(`{"<":[{"var":"n"},33]}`))
	if err != nil || e.Share == nil || math.Abs(*e.Share-0.33) > 1e-9 || e.UnitsIn != 30 || e.Few != "" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := h.TryCohort(t.Context(), "new", json.RawMessage(`{"nonsense":1}`)); err == nil {
		t.Error("a rule that is none was tried")
	}
	if len(h.List(flags.KindCohort)) != 0 {
		t.Error("trying stored something")
	}
}

// offer puts n contexts of as many units into the sample; "n" counts them.
func (h *harness) offer(n int) {
	for i := range n {
		h.sample.offer(eval.Context{"targetingKey": fmt.Sprint(i), "n": i})
	}
}

// TestAnEstimateTellsOfNobody: neither a stored cohort nor a rule that is tried tells how
// many there are where they are few, inside or outside.
func TestAnEstimateTellsOfNobody(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		units, in int
		few       string
	}{
		{30, 15, "fewer than 40 units were seen"},
		{100, 0, "fewer than 20 units match"},
		{100, 1, "fewer than 20 units match"},
		{100, 19, "fewer than 20 units match"},
		{100, 20, ""},
		{100, 80, ""},
		{100, 81, "all but fewer than 20 units match"},
		{100, 100, "all but fewer than 20 units match"},
	} {
		h := open4test(t)
		h.offer(s.units)
		rule := fmt.Sprintf(`{"<":[{"var":"n"},%d]}`, s.in)
		h.save(t, cohortID("some"), rule)
		stored, err := h.Estimates()
		if err != nil {
			t.Fatal(err)
		}
		tried, err := h.TryCohort(t.Context(), "new", json.RawMessage(rule))
		if err != nil {
			t.Fatal(err)
		}
		for how, e := range map[string]*Estimate{"stored": stored["some"], "tried": tried} {
			told := e.Share != nil || e.Low != nil || e.High != nil || e.UnitsIn != 0
			if e.Few != s.few || told != (s.few == "") {
				t.Errorf("%d of %d, %s: %+v, want %q", s.in, s.units, how, e, s.few)
			}
		}
	}
	// One more or less shows in no number.
	h := open4test(t)
	h.offer(1000)
	var numbers []string
	for _, in := range []int{500, 501, 499} {
		e, err := h.TryCohort(t.Context(), "new", json.RawMessage(fmt.Sprintf(`{"<":[{"var":"n"},%d]}`, in)))
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, fmt.Sprint(*e.Share, e.UnitsIn))
	}
	if numbers[0] != "0.5 500" || numbers[1] != numbers[0] || numbers[2] != numbers[0] {
		t.Errorf("with one more and one less: %q", numbers)
	}
}

// TestATrialEnds: with its client, after its time, and no more than two at once.
func TestATrialEnds(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.offer(100)
	rule := json.RawMessage(`{"<":[{"var":"n"},33]}`)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if e, err := h.TryCohort(gone, "new", rule); !errors.Is(err, context.Canceled) {
		t.Errorf("its client left: %+v, %v", e, err)
	}
	h.trials.Add(maxTrials)
	if e, err := h.TryCohort(t.Context(), "new", rule); !errors.Is(err, ErrTrials) {
		t.Errorf("a third at once: %+v, %v", e, err)
	}
	h.trials.Add(-maxTrials)
	h.tryFor = 0
	if e, err := h.TryCohort(t.Context(), "new", rule); !errors.Is(err, ErrTrial) {
		t.Errorf("without time: %+v, %v", e, err)
	}
	h.tryFor = time.Minute
	for range maxTrials + 1 { // One after the other, whatever became of those before.
		if _, err := h.TryCohort(t.Context(), "new", rule); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	h := open4test(b)
	h.save(b, cohortID("staff"), staff)
	h.save(b, flagID("dark"), targeted)
	ctx := eval.Context{"targetingKey": "user-17", "email": "x@example.com", "plan": "pro"}
	set := h.Set()
	r := set.Evaluate("dark", ctx, h.clock.t)
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(set, &r)
		h.Asked(ctx)
	}
}

// TestAnswersAreCountedForTheirFlagWhileFlagsChange: each set numbers its answers anew,
// and some are observed only after the next one is in force.
func TestAnswersAreCountedForTheirFlagWhileFlagsChange(t *testing.T) {
	t.Parallel()
	h := open4test(t)
	h.save(t, flagID("dark"), plain)
	before := h.Set()
	old := before.Evaluate("dark", eval.Context{}, h.clock.t)
	h.Observe(before, &old)
	h.save(t, flagID("apple"), plain) // Comes before the other, and moves its numbers.
	h.Observe(before, &old)
	after := h.Set()
	for range 3 {
		after.EvaluateAll(eval.Context{}, h.clock.t, func(r *eval.Result) { h.Observe(after, r) })
	}
	if err := h.FlushUsage(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Observe(before, &old)
	for key, want := range map[string]int64{"dark": 6, "apple": 3} {
		u, err := h.Usage(t.Context(), key, DefaultStale)
		if err != nil {
			t.Fatal(err)
		}
		if u.Count != want || len(u.Answers) != 1 {
			t.Errorf("%s: %+v, want %d", key, u, want)
		}
	}
}
