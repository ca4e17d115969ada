package rollout

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tidemark/flags"
)

// How questions of phases are asked.
const (
	// checkFor is how long the answer of the telemetry to a check is good.
	checkFor = 10 * time.Second
	// hookFor is how long a webhook is left alone after it answered.
	hookFor = 30 * time.Second
	// hookTimeout bounds one question to a webhook.
	hookTimeout = 15 * time.Second
)

// Telemetry answers what cannot be said arm by arm. It is safe for concurrent use.
type Telemetry interface {
	// Heard is the newest event of a feature, Unix ns; 0 = none.
	Heard(ctx context.Context, feature string) (int64, error)
	// Check holds a feature to a check over the time since a moment.
	Check(ctx context.Context, feature string, k *flags.PhaseCheck, since, now time.Time) (Probe, error)
	// Writes counts a feature's writes with a variant since a moment.
	Writes(ctx context.Context, feature, variant string, since, now time.Time) (int64, error)
	// Units describes the units that were seen lately with the feature; ok is false when
	// none were.
	Units(ctx context.Context, feature string) (u Arrivals, ok bool, err error)
}

// Asker asks a webhook a question that it answers by {"pass": true} or false, and
// perhaps a "reason". It is safe for concurrent use.
type Asker interface {
	PlanWebhooks
	Ask(ctx context.Context, webhook, kind string, question any) (pass bool, reason string, err error)
}

// KindPhase is the type of the message that carries a Question.
const KindPhase = "rollout.phase"

// Question is what a webhook is asked before a phase is left.
type Question struct {
	Rollout   string      `json:"rollout"`
	Title     string      `json:"title"`
	Flag      string      `json:"flag"`
	Feature   string      `json:"feature"`
	Candidate string      `json:"candidate"`
	Phase     flags.Phase `json:"phase"`
	Since     time.Time   `json:"since"`
}

// questions keeps the answers to what phases ask.
type questions struct {
	opt     *Options
	running sync.WaitGroup

	mu    sync.Mutex
	known map[string]*answer // by rollout and question
}

// answer is what is known of one question.
type answer struct {
	phase  flags.Phase
	at     time.Time // of the answer; zero before the first
	asking bool
	probe  Probe
}

func (q *questions) init(opt *Options) { q.opt, q.known = opt, map[string]*answer{} }

func (q *questions) wait() { q.running.Wait() }

// answer fills in what the phase of a rollout asks.
func (q *questions) answer(ctx context.Context, now time.Time, r *flags.Rollout, in *Input) {
	ph := r.PlanPhase()
	if ph == nil || q.opt.Telemetry == nil {
		return
	}
	if heard, err := q.opt.Telemetry.Heard(ctx, r.Plan.Feature); err == nil {
		in.Heard = heard
	}
	if ph.Rollback != nil {
		in.Safe = q.check(ctx, now, r, "safe", ph.Rollback)
	}
	ready := r.Baked >= time.Duration(ph.Bake)
	switch {
	case ph.Check != nil:
		in.Valid = q.check(ctx, now, r, "valid", ph.Check)
	case ph.Webhook != "" && ready:
		in.Valid = q.hook(ctx, now, r, ph)
	case ph.Webhook != "":
		in.Valid = Probe{Asked: true, Why: "The webhook is asked when the bake time is over."}
	}
}

// get returns the answer so far, made anew for each phase.
func (q *questions) get(r *flags.Rollout, question string) *answer {
	key := r.ID + " " + question
	a, ok := q.known[key]
	if !ok || a.phase != r.Phase {
		a = &answer{phase: r.Phase, probe: Probe{Asked: true}}
		q.known[key] = a
	}
	return a
}

func (q *questions) check(ctx context.Context, now time.Time, r *flags.Rollout, question string, k *flags.PhaseCheck) Probe {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.get(r, question)
	if age := now.Sub(a.at); !a.at.IsZero() && age >= 0 && age < checkFor {
		return a.probe
	}
	p, err := q.opt.Telemetry.Check(ctx, r.Plan.Feature, k, r.StepAt, now)
	if err != nil {
		p = Probe{Err: fmt.Errorf("check %s: %w", k.SLI, err)}
	}
	p.Asked = true
	a.probe, a.at = p, now
	return p
}

// hook asks a webhook beside the ticks, since it may take its time.
func (q *questions) hook(ctx context.Context, now time.Time, r *flags.Rollout, ph *flags.PlanPhase) Probe {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.get(r, "hook")
	age := now.Sub(a.at)
	if a.asking || !a.at.IsZero() && age >= 0 && age < hookFor {
		return a.probe
	}
	if q.opt.Asker == nil {
		return Probe{Asked: true, Err: fmt.Errorf("webhook %s: there are no webhooks here", ph.Webhook)}
	}
	a.asking = true
	question := Question{
		Rollout: r.ID, Title: r.Title, Flag: r.Plan.Flag, Feature: r.Plan.Feature,
		Candidate: r.Plan.Candidate, Phase: ph.Phase, Since: r.StepAt,
	}
	q.running.Go(func() { q.ask(context.WithoutCancel(ctx), a, ph.Webhook, question) })
	return a.probe
}

func (q *questions) ask(ctx context.Context, a *answer, webhook string, question Question) {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	pass, reason, err := q.opt.Asker.Ask(ctx, webhook, KindPhase, question)
	p := Probe{Asked: true, Known: err == nil, Pass: pass, Err: err}
	word := "says to wait"
	if pass {
		word = "says to go on"
	}
	p.Why = "Webhook " + webhook + " " + word + because(reason)
	q.mu.Lock()
	defer q.mu.Unlock()
	a.probe, a.at, a.asking = p, q.opt.Now(), false
}
