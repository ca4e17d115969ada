package ui

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/metrics/clock"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/live"
)

// sources is what is known of who reports.
type sources struct {
	all    []metrics.Heard
	silent []metrics.Heard
}

func (u *UI) sources(ctx context.Context) (*sources, error) {
	all, err := u.o.Reader.Heard(ctx)
	if err != nil {
		return nil, err
	}
	s := &sources{all: all}
	now := u.o.Now()
	for i := range all {
		if now.Sub(time.Unix(0, all[i].Last)) > u.silence(&all[i]) {
			s.silent = append(s.silent, all[i])
		}
	}
	slices.SortFunc(s.all, func(a, b metrics.Heard) int { return cmp.Compare(a.Last, b.Last) })
	return s, nil
}

// silence is how long a source may say nothing: what its feature's promise allows
// the replica, else the default.
func (u *UI) silence(h *metrics.Heard) time.Duration {
	if cfg, ok := u.o.Reader.Config(h.Feature, u.o.Now().UnixNano()); ok {
		for _, r := range cfg.Replicas {
			if r.Name == h.Replica && r.Silence > 0 {
				return r.Silence
			}
		}
	}
	return metrics.DefaultSilence
}

func (u *UI) pipeline(c echo.Context) error {
	ctx := c.Request().Context()
	p, err := u.o.Pipeline(ctx)
	if err != nil {
		return err
	}
	src, err := u.sources(ctx)
	if err != nil {
		return err
	}
	pairs := clock.Table(u.o.Reader.ClockPairs())
	m := page.Pipeline{
		Head: pipelineHead(&p, src, pairs), Facts: u.pipelineFacts(&p), Get: part.Downloads{JSON: "/api/v1/pipeline"},
		Rejected: rejectedRows(&p), Sources: u.sourceRows(src), Clocks: clockRows(pairs), Store: storeFacts(&p), Attempts: u.attemptRows(""),
	}
	if p.Error != "" {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Bad, Text: "Events are not taken in any more:", More: p.Error})
	}
	if q := p.Stats.Quarantine; q.Events > 0 {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Warn, Text: format.Plural(q.Events, "event is", "events are") + " in quarantine:", More: "nobody declared a label of theirs, and nothing counts them.", Link: part.Link{Text: "See which", URL: quarantineURL}})
	}
	if p.Unfolded > 0 {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Warn, Text: format.Plural(int64(p.Unfolded), "event", "events") + " came so late that counting them would have held up the others:", More: "they are stored, but no number includes them until the command “tidemark rebuild” has run."})
	}
	if p.Stats.Queued*10 > int64(p.Stats.QueueLimit)*8 {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Bad, Text: "The queue is nearly full:", More: "soon events are refused with 429 until it drains."})
	}
	return u.show(c, view{title: "Pipeline", current: "/pipeline", topic: live.TopicPipeline, body: page.ShowPipeline(m)})
}

func rejectedCount(p *Pipeline) int64 {
	n := int64(0)
	for _, v := range p.Stats.Rejected {
		n += v
	}
	return n
}

// pipelineHead says whether the telemetry can be believed, and if not, why.
func pipelineHead(p *Pipeline, src *sources, pairs []clock.Pair) part.Head {
	h := part.Head{Tone: part.Good, Answer: "The telemetry is sound."}
	offered := p.Stats.Accepted + p.Stats.Duplicates + rejectedCount(p)
	var troubles []string
	if p.Error != "" {
		troubles = append(troubles, "events are not taken in")
		h.Tone = part.Bad
	}
	if p.Stats.Failures > 0 {
		troubles = append(troubles, format.Plural(p.Stats.Failures, "transaction", "transactions")+" could not be stored")
		h.Tone = part.Bad
	}
	if n := len(src.silent); n > 0 {
		troubles = append(troubles, format.Count(int64(n))+" of "+format.Plural(int64(len(src.all)), "source is", "sources are")+" silent")
	}
	if r := rejectedCount(p); offered > 0 && r*100 > offered {
		troubles = append(troubles, format.Percent(r, offered)+" of events are rejected")
	}
	if p.Unfolded > 0 {
		troubles = append(troubles, format.Plural(int64(p.Unfolded), "late event is", "late events are")+" not counted")
	}
	if n, of := unexplained(pairs); n > 0 {
		troubles = append(troubles, format.Plural(int64(n), "pair", "pairs")+" of clocks of "+of+" "+hasOrHave(n)+" lags that no offset explains")
	}
	if len(troubles) > 0 {
		h.Answer = "Mind what the numbers are made of: " + format.List(troubles) + "."
		if h.Tone == part.Good {
			h.Tone = part.Warn
		}
	}
	if offered == 0 && len(src.all) == 0 {
		return part.Head{Answer: "No event has arrived yet.", Link: part.Link{Text: "How to send the first", URL: "/"}}
	}
	h.Sub = format.Plural(p.Stats.Accepted, "event was", "events were") + " accepted since " + p.Since.UTC().Format("2 Jan 15:04 UTC") + "."
	return h
}

// unexplained counts pairs of clocks, and says whose they are.
func unexplained(pairs []clock.Pair) (n int, of string) {
	var features []string
	for i := range pairs {
		if !pairs[i].Explained {
			n++
			if !slices.Contains(features, pairs[i].Feature) {
				features = append(features, pairs[i].Feature)
			}
		}
	}
	if len(features) > 3 {
		return n, format.Plural(int64(len(features)), "feature", "features")
	}
	return n, format.List(features)
}

func hasOrHave(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

func (u *UI) pipelineFacts(p *Pipeline) []part.Fact {
	offered := p.Stats.Accepted + p.Stats.Duplicates + rejectedCount(p)
	queue := number(p.Stats.Queued)
	queue.Under = "of at most " + format.Short(int64(p.Stats.QueueLimit))
	failures := number(p.Stats.Failures)
	if p.Stats.Failures > 0 {
		failures.Tone = part.Bad
	}
	last := part.Value{}
	if p.Stats.Groups > 0 {
		last = part.Value{Text: format.Duration(p.Stats.StoreNanos), Under: "the last transaction"}
	}
	return []part.Fact{
		{Name: "Taken in", Value: perSecond(p)},
		{Name: "Rejected", Value: part.Percent(rejectedCount(p), offered, "events")},
		{Name: "In quarantine", Value: quarantineFact(p)},
		{Name: "Duplicates, counted once", Value: part.Percent(p.Stats.Duplicates, offered, "events")},
		{Name: "Waiting to be stored", Value: queue},
		{Name: "Time to store", Value: last},
		{Name: "Waiting to be counted", Value: part.Value{Text: format.Count(int64(p.Stats.FoldBehind)), Under: "stored groups"}},
		{Name: "Late, not counted yet", Value: lateFact(p)},
		{Name: "Failed to store", Value: failures},
	}
}

// lateFact is how many events only a rebuild counts.
func lateFact(p *Pipeline) part.Value {
	v := number(int64(p.Unfolded))
	v.Under = "until a rebuild"
	if p.Unfolded > 0 {
		v.Tone = part.Warn
	}
	return v
}

// quarantineFact is how much is held of how much may be.
func quarantineFact(p *Pipeline) part.Value {
	q := &p.Stats.Quarantine
	if !q.On && q.Events == 0 {
		return part.Value{Text: "off", Under: "unknown labels are taken"}
	}
	v := number(q.Events)
	v.Under = "of at most " + format.Short(q.Most.Events)
	if q.Events > 0 {
		v.Tone = part.Warn
	}
	return v
}

func perSecond(p *Pipeline) part.Value {
	if p.PerSecond == nil {
		return part.Value{Under: format.Short(p.Stats.Accepted) + " since the start"}
	}
	return part.Value{Text: format.Rate(*p.PerSecond), Under: format.Short(p.Stats.Accepted) + " since the start"}
}

func storeFacts(p *Pipeline) []part.Fact {
	s := p.Store
	perEvent := part.Value{}
	if s.Events > 0 {
		perEvent = part.Value{Text: format.Bytes(s.RawBytes / int64(s.Events)), Under: "raw"}
	}
	oldest := part.Value{}
	if s.OldestRaw > 0 {
		oldest = part.Value{Text: dayText(time.Unix(0, s.OldestRaw)), Under: "oldest raw event"}
	}
	return []part.Fact{
		{Name: "Events kept", Value: number(int64(s.Events))},
		{Name: "On disk, raw", Value: part.Value{Text: format.Bytes(s.RawBytes)}},
		{Name: "On disk, counted", Value: part.Value{Text: format.Bytes(s.CellBytes)}},
		{Name: "An event takes", Value: perEvent},
		{Name: "Reaches back to", Value: oldest},
		{Name: "Partitions", Value: part.Value{Text: format.Count(s.Partitions), Under: format.Plural(s.Segments, "segment", "segments")}},
	}
}

func rejectedRows(p *Pipeline) page.Section {
	s := page.Section{ID: "rejected", Title: "Rejected, by code", Get: pipelineTable("rejected"), None: part.Empty{Title: "No event was rejected", Text: "Since the server started."}}
	s.Table = part.Table{Caption: "Rejected events by code", Columns: []part.Column{{Head: "Code"}, {Head: "Events", Num: true}}}
	codes := slices.Collect(maps.Keys(p.Stats.Rejected))
	slices.SortFunc(codes, func(a, b string) int { return cmp.Compare(p.Stats.Rejected[b], p.Stats.Rejected[a]) })
	for _, code := range codes {
		if n := p.Stats.Rejected[code]; n > 0 {
			s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{mono(code), cell(number(n))}})
		}
	}
	return s
}

func pipelineTable(name string) part.Downloads {
	return part.Downloads{CSV: "/api/v1/pipeline?table=" + name + "&format=csv", JSON: "/api/v1/pipeline"}
}

const maxSources = 200

func (u *UI) sourceRows(src *sources) page.Section {
	s := page.Section{
		ID: "sources", Title: "Sources, the most silent first", Get: pipelineTable("sources"),
		None: part.Empty{Title: "No source has reported yet", Text: "Services appear here as they send events or heartbeats."},
	}
	if n := len(src.all); n > maxSources {
		s.About = "The first " + format.Count(maxSources) + " of " + format.Count(int64(n)) + "."
	}
	s.Table = part.Table{Caption: "Sources", Columns: []part.Column{{Head: "Service"}, {Head: "Replica"}, {Head: "Feature"}, {Head: "Status"}, {Head: "Last heard"}, {Head: "First heard"}, {Head: "Events", Num: true}}}
	now := u.o.Now()
	for i := range src.all[:min(len(src.all), maxSources)] {
		h := &src.all[i]
		st := part.Status{Tone: part.Good, Text: "Heard"}
		if now.Sub(time.Unix(0, h.Last)) > u.silence(h) {
			st = part.Status{Tone: part.Neutral, Text: "Silent"}
		}
		name := orElse(h.Service, "not said")
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			{Value: part.Value{Text: name, Under: h.Region}},
			part.Text(orElse(h.Replica, "none")), part.To(h.Feature, featureURL(h.Feature)),
			{Status: st},
			part.When(time.Unix(0, h.Last)), part.When(time.Unix(0, h.First)), cell(number(h.Events)),
		}})
	}
	return s
}

func clockRows(pairs []clock.Pair) page.Section {
	s := page.Section{
		ID: "clocks", Title: "Clocks", About: "How far the second clock is ahead of the first. From one direction of traffic only a bound is known.",
		Get:  pipelineTable("clocks"),
		None: part.Empty{Title: "No pair of clocks was measured", Text: "A pair is measured by writes that pass from one to the other."},
	}
	s.Table = part.Table{Caption: "Pairs of clocks", Columns: []part.Column{{Head: "Feature"}, {Head: "From"}, {Head: "To"}, {Head: "Status"}, {Head: "Offset", Num: true}, {Head: "Negative lags", Num: true}, {Head: "Samples", Num: true}}}
	for i := range pairs {
		p := &pairs[i]
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(p.Feature, featureURL(p.Feature)), part.Text(p.A), part.Text(p.B), {Status: clockStatus(p)}, cell(offset(p)), cell(number(p.Negative)), cell(number(p.Samples)),
		}})
	}
	return s
}

func clockStatus(p *clock.Pair) part.Status {
	switch {
	case !p.Explained:
		return part.Status{Tone: part.Bad, Text: "Not explained"}
	case p.Significant():
		return part.Status{Tone: part.Warn, Text: "Differ"}
	case p.OffsetNS == nil:
		return part.Status{Tone: part.Neutral, Text: "One way only"}
	}
	return part.Status{Tone: part.Good, Text: "Agree"}
}

func offset(p *clock.Pair) part.Value {
	switch {
	case p.OffsetNS != nil && p.ErrorNS != nil:
		return part.Value{Text: signed(*p.OffsetNS) + " ± " + format.Duration(*p.ErrorNS)}
	case p.HighNS != nil:
		return part.Value{Text: "at most " + signed(*p.HighNS)}
	case p.LowNS != nil:
		return part.Value{Text: "at least " + signed(*p.LowNS)}
	}
	return part.Value{}
}

// pipelineStrip is the overview's line about the telemetry itself.
func (u *UI) pipelineStrip(ctx context.Context) (page.OverviewPipeline, error) {
	p, err := u.o.Pipeline(ctx)
	if err != nil {
		return page.OverviewPipeline{}, err
	}
	src, err := u.sources(ctx)
	if err != nil {
		return page.OverviewPipeline{}, err
	}
	offered := p.Stats.Accepted + p.Stats.Duplicates + rejectedCount(&p)
	out := page.OverviewPipeline{Status: part.Status{Tone: part.Good, Text: "All " + format.Count(int64(len(src.all))) + " sources heard"}}
	switch {
	case p.Stats.Failures > 0:
		out.Status = part.Status{Tone: part.Bad, Text: "Storing fails"}
	case len(src.silent) > 0:
		out.Status = part.Status{Tone: part.Warn, Text: format.Count(int64(len(src.silent))) + " of " + format.Count(int64(len(src.all))) + " sources silent"}
	case len(src.all) == 0:
		out.Status = part.Status{Tone: part.Neutral, Text: "No source yet"}
	}
	worst := part.Value{Under: "no pair was measured"}
	if w := clock.Worst(clock.Table(u.o.Reader.ClockPairs())); w != nil {
		worst = offset(w)
		worst.Under = w.Feature + ": " + w.A + " → " + w.B
	}
	store := part.Value{}
	if p.Stats.Groups > 0 {
		store = part.Value{Text: format.Duration(p.Stats.StoreNanos), Under: "last transaction"}
	}
	out.Facts = []part.Fact{
		{Name: "Taken in", Value: perSecond(&p)},
		{Name: "Rejected", Value: part.Percent(rejectedCount(&p), offered, "events")},
		{Name: "In quarantine", Value: quarantineFact(&p)},
		{Name: "Duplicates, counted once", Value: part.Percent(p.Stats.Duplicates, offered, "events")},
		{Name: "Time to store", Value: store},
		{Name: "Worst clock pair", Value: worst},
	}
	return out, nil
}
