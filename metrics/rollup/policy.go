package rollup

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"tidemark/metrics"
)

// carrier is a further service that reported a hop of a write at a replica.
type carrier struct {
	replica uint16
	service uint32
}

// What is kept of one write to judge its hops; which does not depend on their order.
const (
	maxWriteLabels = 256
	maxCarriers    = 256 // beside one for each replica
)

// joinLabels is a union. Labels are kept whatever is known of them now, since a hop may
// arrive before the event that names them, and a rule after both.
func (w *write) joinLabels(labels []string) {
	if len(labels) > 0 {
		leastOf(&w.labels, maxWriteLabels, labels)
	}
}

// carry notes a service at a replica: a union, of which the least by name lies with the
// replica because there seldom is another, and the least of the rest beside it.
func (w *write) carry(n *names, p *rep, service uint32) {
	switch {
	case service == 0 || service == p.service:
		return
	case p.service == 0:
		p.service = service
		return
	case n.text[service] < n.text[p.service]:
		p.service, service = service, p.service
	}
	c := carrier{p.replica, service}
	i, ok := slices.BinarySearchFunc(w.others, c, func(a, b carrier) int {
		return cmp.Or(strings.Compare(n.text[a.service], n.text[b.service]), strings.Compare(w.f.repNames[a.replica], w.f.repNames[b.replica]))
	})
	if ok || i >= maxCarriers {
		return
	}
	if len(w.others) == maxCarriers {
		w.others = w.others[:maxCarriers-1]
	}
	w.others = slices.Insert(w.others, i, c)
}

// arrived is when the write was first seen at the replica; noTime when it only failed
// there.
func (p *rep) arrived() int64 { return min(p.received.t, p.applied.t, p.visible.t) }

// contributePolicy adds or takes away what hops of a labelled write add: their count,
// and a row for each at a service without clearance. The time of the hop decides which
// rule holds, so that a later rule changes nothing about it.
func (e *Engine) contributePolicy(w *write, v *metrics.Vocabulary, sign int64) {
	for i := range w.reps {
		p := &w.reps[i]
		if p.arrived() == noTime {
			continue
		}
		if p.service == 0 { // A replica that names no service is one by itself.
			e.judgeHop(w, p, v, w.f.repNames[p.replica], sign)
			continue
		}
		e.judgeHop(w, p, v, e.names.text[p.service], sign)
		for _, c := range w.others {
			if c.replica == p.replica {
				e.judgeHop(w, p, v, e.names.text[c.service], sign)
			}
		}
	}
}

func (e *Engine) judgeHop(w *write, p *rep, v *metrics.Vocabulary, service string, sign int64) {
	at := p.arrived()
	judged, lacks := v.Judge(w.labels, service, at)
	if !judged {
		return
	}
	hits := int64(0)
	if len(lacks) > 0 {
		hits = sign
		e.notePolicy(w, p, service, lacks, sign)
	}
	e.book.count(e.policySeries(w, p), metrics.Level10s.Start(at), sign, hits)
}

func (e *Engine) policySeries(w *write, p *rep) *series {
	d := e.dimsOf(w.f, dimKey{w.model, w.variant, w.mechanism, w.region, w.origin, w.publisher})
	rs := e.rep(w.f, d, p.replica, p.region)
	return e.atRep(w.f, d, rs, &rs.policy, metrics.MetricPolicy)
}

// notePolicy keeps the row of a hop against policy, or takes it back.
func (e *Engine) notePolicy(w *write, p *rep, service string, lacks []metrics.LabelDecision, sign int64) {
	replica := w.f.repNames[p.replica]
	id := strings.Join([]string{string(metrics.MetricPolicy), strconv.Itoa(len(w.f.name)), w.f.name, w.id, replica, service}, ":")
	if sign < 0 {
		delete(e.violations, id)
		e.violationsGone[id] = struct{}{}
		return
	}
	v := metrics.Violation{
		ID: id, Feature: w.f.name, Guarantee: metrics.MetricPolicy, Verdict: "violated", Replica: replica,
		At: p.arrived(), WriteID: w.id, Service: service, DecidedBy: lacks,
		Model: e.names.text[w.model], Variant: e.names.text[w.variant],
	}
	if w.key != nil {
		v.Key = w.key.key
	}
	for _, l := range lacks {
		v.Labels = append(v.Labels, l.Label)
	}
	delete(e.violationsGone, id)
	e.violations[id] = v
}
