package flagset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// Estimate is how much of the recent traffic a cohort holds, as far as the sample
// tells. It is coarse, so that it tells of many and of nobody in particular: shares are
// whole percent, units tens, and where few units are on one side there are neither.
type Estimate struct {
	Cohort string
	// Share of the evaluations whose context the rule takes in, with its 95 % interval;
	// nil while the sample is empty, and when few units are on one side.
	Share, Low, High *float64
	Sampled          int    // contexts looked at
	Seen             uint64 // evaluations that they were drawn from
	Large            uint64 // contexts left out because they were too large
	Units            int    // distinct targeting keys among the sampled, in tens
	UnitsIn          int    // of these in the cohort; 0 when Few says something
	// Few says why there are no numbers although there were contexts.
	Few   string
	Since time.Time
}

// FewUnits is how many units have to be in a cohort, and outside of it, for numbers to
// be told.
const FewUnits = 20

// cohortCache keeps the estimates of one moment, because a page asks for all.
type cohortCache struct {
	mu    sync.Mutex
	set   *eval.Set
	rules *eval.Set // one flag a cohort, which says "in" or "out"
	at    time.Time
	all   map[string]*Estimate
}

// estimateFor is how long an estimate is shown before it is made anew.
const estimateFor = 5 * time.Second

// Estimates returns the estimate of every cohort, by name.
func (c *Catalogue) Estimates() (map[string]*Estimate, error) {
	k := &c.cohorts
	k.mu.Lock()
	defer k.mu.Unlock()
	s, now := c.now.Load(), c.opt.Now()
	if k.set == s.set && now.Sub(k.at) < estimateFor {
		return k.all, nil
	}
	if k.set != s.set {
		rules, err := cohortRules(s)
		if err != nil {
			return nil, err
		}
		k.rules = rules
	}
	all, err := estimate(context.Background(), s.current(flags.KindCohort), k.rules, c.sample.take(), now)
	if err != nil {
		return nil, err
	}
	k.set, k.at, k.all = s.set, now, all
	return k.all, nil
}

// CheckCohort says what is wrong with a rule that is not stored, under a name that is
// only for the answer. Edits of cohorts that are to be stored with it may be used by it.
func (c *Catalogue) CheckCohort(name string, rule json.RawMessage, with ...Edit) error {
	_, _, err := c.trial(name, rule, with)
	return err
}

// trial compiles a rule that is not stored, beside the cohorts that are.
func (c *Catalogue) trial(name string, rule json.RawMessage, with []Edit) (flags.DocumentVersion, *eval.Set, error) {
	id := flags.DocumentID{Kind: flags.KindCohort, Name: name}
	trial := c.now.Load().clone()
	for i := range with {
		if e := &with[i]; e.ID.Kind == flags.KindCohort && e.Content != nil {
			trial.documents[e.ID] = flags.DocumentVersion{ID: e.ID, Content: e.Content, Status: flags.StatusActive}
		}
	}
	v := flags.DocumentVersion{ID: id, Content: rule, Status: flags.StatusActive}
	trial.documents[id] = v
	rules, err := cohortRules(trial)
	if err != nil {
		ps, err := blame(err, []Edit{{ID: id}})
		if err != nil {
			return v, nil, err
		}
		return v, nil, flags.AsProblems(ps)
	}
	return v, rules, nil
}

// maxTrials is how many rules are tried at once, and tryFor how long one is: a rule may
// be as long as a flag, and each is asked about thousands of contexts.
const (
	maxTrials = 2
	tryFor    = 2 * time.Second
)

// Trying a rule has two bounds.
var (
	ErrTrials = errors.New("two rules are being tried already; try again in a moment")
	ErrTrial  = errors.New("the rule takes too long: it could not be asked about all sampled contexts within " + tryFor.String())
)

// TryCohort estimates a rule that is not stored. It stops with ctx, and fails with
// ErrTrial when it takes too long and with ErrTrials when others are being tried.
func (c *Catalogue) TryCohort(ctx context.Context, name string, rule json.RawMessage) (*Estimate, error) {
	if c.trials.Add(1) > maxTrials {
		c.trials.Add(-1)
		return nil, ErrTrials
	}
	defer c.trials.Add(-1)
	v, rules, err := c.trial(name, rule, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.tryFor, ErrTrial)
	defer cancel()
	all, err := estimate(ctx, []flags.DocumentVersion{v}, rules, c.sample.take(), c.opt.Now())
	if err != nil {
		return nil, err
	}
	return all[name], nil
}

// cohortRules compiles a flag for each cohort that tells who is in it.
func cohortRules(s *state) (*eval.Set, error) {
	d := eval.Definition{Flags: map[string]eval.Source{}, Cohorts: map[string]json.RawMessage{}}
	for _, v := range s.current(flags.KindCohort) {
		d.Cohorts[v.ID.Name] = v.Content
		name, err := json.Marshal(v.ID.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.ID, err)
		}
		content := fmt.Sprintf(`{"state":"ENABLED","variants":{"in":true,"out":false},"defaultVariant":"out","targeting":{"if":[{"$ref":%s},"in","out"]}}`, name)
		d.Flags[v.ID.Name] = eval.Source{Content: json.RawMessage(content), Revision: 1, Bucketing: flags.BucketingV2}
	}
	return eval.Compile(d) //nolint:wrapcheck // It is the list of what is wrong.
}

func estimate(ctx context.Context, cohorts []flags.DocumentVersion, rules *eval.Set, s sampled, now time.Time) (map[string]*Estimate, error) {
	out := map[string]*Estimate{}
	for i := range cohorts {
		name := cohorts[i].ID.Name
		e := &Estimate{Cohort: name, Sampled: len(s.contexts), Seen: s.seen, Large: s.large, Since: s.since}
		if err := e.measure(ctx, rules, s, now); err != nil {
			return nil, err
		}
		out[name] = e
	}
	return out, nil
}

func (e *Estimate) measure(ctx context.Context, rules *eval.Set, s sampled, now time.Time) error {
	if len(s.contexts) == 0 {
		return nil
	}
	var in, all, squares float64
	units := map[string]bool{}
	for i := range s.contexts {
		if ctx.Err() != nil {
			return context.Cause(ctx) //nolint:wrapcheck // It is the whole sentence.
		}
		w := &s.contexts[i]
		r := rules.Evaluate(e.Cohort, w.context, now)
		belongs := r.Variant == "in"
		all += w.weight
		squares += w.weight * w.weight
		if belongs {
			in += w.weight
		}
		if unit, ok := w.context[eval.TargetingKey].(string); ok && unit != "" {
			units[unit] = units[unit] || belongs
		}
	}
	for _, belongs := range units {
		e.Units++
		if belongs {
			e.UnitsIn++
		}
	}
	share := in / all
	low, high := wilson(share, all*all/squares)
	e.tell(share, low, high)
	return nil
}

// tell takes what may be told of the numbers, with Units and UnitsIn as they were counted.
func (e *Estimate) tell(share, low, high float64) {
	defer func() { e.Units, e.UnitsIn = tens(e.Units), tens(e.UnitsIn) }()
	switch {
	case e.Units < 2*FewUnits:
		e.Few = "fewer than " + strconv.Itoa(2*FewUnits) + " units were seen"
	case e.UnitsIn < FewUnits:
		e.Few = "fewer than " + strconv.Itoa(FewUnits) + " units match"
	case e.Units-e.UnitsIn < FewUnits:
		e.Few = "all but fewer than " + strconv.Itoa(FewUnits) + " units match"
	}
	if e.Few != "" {
		e.UnitsIn = 0
		return
	}
	share, low, high = math.Round(share*100)/100, math.Floor(low*100)/100, math.Ceil(high*100)/100
	e.Share, e.Low, e.High = &share, &low, &high
}

// tens is the nearest number of tens.
func tens(n int) int { return (n + 5) / 10 * 10 }

// wilson is the 95 % score interval of a proportion among n.
func wilson(p, n float64) (low, high float64) {
	const z = 1.959964
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, mid-half), min(1, mid+half)
}

// Uses returns the keys of the flags whose targeting refers to a cohort, and the
// names of the cohorts that do, ordered.
func (c *Catalogue) Uses(cohort string) (inFlags, inCohorts []string) {
	s := c.now.Load()
	for _, v := range s.current(flags.KindFlag) {
		if slices.Contains(refs(v.Content), cohort) {
			inFlags = append(inFlags, v.ID.Name)
		}
	}
	for _, v := range s.current(flags.KindCohort) {
		if slices.Contains(refs(v.Content), cohort) {
			inCohorts = append(inCohorts, v.ID.Name)
		}
	}
	return inFlags, inCohorts
}

// Cohorts returns the names of the cohorts that a flag's targeting refers to itself,
// ordered.
func (c *Catalogue) Cohorts(flag string) []string {
	v, err := c.Get(flags.DocumentID{Kind: flags.KindFlag, Name: flag})
	if err != nil {
		return nil
	}
	names := refs(v.Content)
	slices.Sort(names)
	return slices.Compact(names)
}

// refs finds every {"$ref": "NAME"}.
func refs(content []byte) []string {
	if !bytes.Contains(content, []byte(`"$ref"`)) {
		return nil
	}
	var v any
	if json.Unmarshal(content, &v) != nil {
		return nil
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			if name, ok := v["$ref"].(string); ok && len(v) == 1 {
				out = append(out, name)
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return out
}

// TryIn tells whether a cohort takes a context in, and how that came about: the value
// of the result is true when it does.
func (c *Catalogue) TryIn(name string, ctx eval.Context, now time.Time) (*eval.Explanation, error) {
	s := c.now.Load()
	if _, err := c.Get(flags.DocumentID{Kind: flags.KindCohort, Name: name}); err != nil {
		return nil, err
	}
	rules, err := cohortRules(s)
	if err != nil {
		return nil, err
	}
	x := rules.Explain(name, ctx, now)
	return &x, nil
}
