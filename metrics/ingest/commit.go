package ingest

import (
	"context"
	"runtime"
	"time"
)

// write commits what is queued, group by group.
func (p *Pipeline) write() {
	defer p.done.Done()
	defer close(p.stored)
	for s := range p.queue {
		g := group{subs: []*submission{s}}
		n := p.gather(&g, len(s.events))
		p.commit(&g, n)
	}
}

// yields is how often a group lets requests that are being read catch up with it.
const yields = 2

// gather adds what is queued to a group of n events and returns how many it has then.
// A transaction costs much the same whatever it holds, so the group stands back for
// requests that are ready to run; on an idle machine that takes no time.
func (p *Pipeline) gather(g *group, n int) int {
	for yielded := 0; n < p.opts.GroupEvents; {
		select {
		case s, ok := <-p.queue:
			if !ok {
				return n
			}
			g.subs = append(g.subs, s)
			n += len(s.events)
			continue
		default:
		}
		if yielded == yields {
			return n
		}
		yielded++
		runtime.Gosched()
	}
	return n
}

func (p *Pipeline) commit(g *group, queued int) {
	fresh := p.dropKnown(g)
	began := time.Now()
	var err error
	if len(g.batches) > 0 {
		g.first, err = p.log.Append(context.Background(), g.batches...)
	}
	p.storeNanos.Store(int64(time.Since(began)))
	p.queued.Add(-int64(queued))
	if err != nil {
		p.recent.undo(fresh)
		p.failures.Add(1)
	}
	p.recent.turn()
	for _, s := range g.subs {
		if s.err = err; err == nil {
			p.accepted.Add(int64(len(s.events)))
			p.duplicates.Add(int64(s.dups))
		}
		close(s.durable)
	}
	p.groups.Add(1)
	if err != nil || len(g.batches) == 0 {
		for _, s := range g.subs {
			s.release()
		}
		return
	}
	p.stored <- *g
}

// dropKnown takes out events whose ids are known, and returns the ids that were not.
func (p *Pipeline) dropKnown(g *group) []fingerprint {
	fresh := p.fresh[:0]
	for _, s := range g.subs {
		kept := 0
		for i := range s.events {
			if i%warmAhead == 0 {
				p.recent.warm(s.ids[i:min(i+warmAhead, len(s.ids))])
			}
			if !p.recent.add(s.ids[i]) {
				s.dups++
				continue
			}
			fresh = append(fresh, s.ids[i])
			if kept != i {
				s.events[kept] = s.events[i]
			}
			kept++
		}
		s.events = s.events[:kept]
		if kept > 0 {
			g.batches = append(g.batches, s.events)
		}
	}
	p.fresh = fresh
	return fresh
}

// foldAll folds stored groups and takes checkpoints when they are due. Folding goes
// on while a checkpoint is being stored.
func (p *Pipeline) foldAll() {
	defer p.done.Done()
	ctx := context.Background()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := p.opts.Now()
	storing := make(chan struct{}, 1) // holds a token while a checkpoint is being stored
	defer func() { storing <- struct{}{} }()
	for {
		select {
		case g, ok := <-p.stored:
			if !ok {
				return
			}
			p.foldGroup(ctx, p.withWaiting(g))
		case <-tick.C:
		}
		if !p.fold.Due(last) {
			continue
		}
		select {
		case storing <- struct{}{}:
			last = p.opts.Now()
			go func() {
				p.checkpoint(ctx)
				<-storing
			}()
		default: // the last one is not stored yet
			if p.fold.Full() {
				storing <- struct{}{}
				<-storing
			}
		}
	}
}

// withWaiting adds to a group those that were stored since, which follow it in the log:
// folding them together costs what the fold settles once for all of them once.
func (p *Pipeline) withWaiting(g group) group {
	n := 0
	for _, b := range g.batches {
		n += len(b)
	}
	for n < p.opts.GroupEvents {
		select {
		case next, ok := <-p.stored:
			if !ok {
				return g
			}
			for _, b := range next.batches {
				n += len(b)
			}
			g.batches, g.subs = append(g.batches, next.batches...), append(g.subs, next.subs...)
		default:
			return g
		}
	}
	return g
}

func (p *Pipeline) foldGroup(ctx context.Context, g group) {
	if err := p.fold.Fold(ctx, g.first, g.batches...); err != nil {
		p.fail(err)
	}
	if p.opts.Folded != nil {
		p.opts.Folded(g.batches)
	}
	for _, s := range g.subs {
		s.release()
	}
}

func (p *Pipeline) checkpoint(ctx context.Context) {
	if err := p.fold.Checkpoint(ctx); err != nil {
		p.fail(err)
	} else {
		p.recovered()
	}
}
