package ui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics/provenance"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
)

func (u *UI) write(c echo.Context) error {
	id := pathParam(c, "id")
	s, err := u.o.Teller.Story(c.Request().Context(), c.QueryParam("feature"), id)
	if err != nil {
		return err
	}
	u.o.Policy.RedactStory(auth.Who(c), s)
	m := page.Write{
		Head: writeHead(s), Facts: writeFacts(s), Timeline: timeline(s),
		Get: part.Downloads{
			CSV: address("/api/v1/writes/"+escaped(id), "feature", s.Feature, "format", "csv"), JSON: address("/api/v1/writes/"+escaped(id), "feature", s.Feature),
		},
		Replicas: progress(s), About: aboutWrite(s), Labels: s.Labels,
		Delta: pretty(s.Delta), Relatives: relatives(s), Conflicts: writeConflicts(s), Repeats: repeats(s),
	}
	for _, other := range s.Others[:min(len(s.Others), 5)] {
		m.Notices = append(m.Notices, part.Notice{
			Tone: part.Warn, Text: "Feature " + other + " has a write with this id too.", More: "What it reported is no part of this story.",
			Link: part.Link{Text: "See that one", URL: writeURL(other, id)},
		})
	}
	if s.Truncated {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Warn, Text: "This write has more events than are read for one story.", More: "The earliest are shown."})
	}
	if r := s.Redacted; r != nil {
		m.Notices = append(m.Notices, part.Notice{Tone: part.Neutral, Text: "Actor, delta and hashes are " + r.Words() + ".", More: "Decided by " + r.By() + "."})
	}
	topic := live.WriteTopic(id)
	if s.State == provenance.StateVisible {
		topic = "" // its story is told
	}
	return u.show(c, view{title: "Write " + id, current: "/writes", topic: topic, body: page.ShowWrite(m)})
}

func writeStatus(state string) part.Status {
	switch state {
	case provenance.StateVisible:
		return part.Status{Tone: part.Good, Text: "Visible"}
	case provenance.StatePending:
		return part.Status{Tone: part.Tide, Text: "Under way"}
	case provenance.StateLate:
		return part.Status{Tone: part.Bad, Text: "Late"}
	case provenance.StateConflict:
		return part.Status{Tone: part.Warn, Text: "In conflict"}
	}
	return part.Status{Tone: part.Neutral, Text: "Unknown"}
}

func writeHead(s *provenance.Story) part.Head {
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Overview", URL: "/"}, {Text: s.Feature, URL: featureURL(s.Feature)}, {Text: s.WriteID}},
		Answer: s.Answer, Status: writeStatus(s.State),
	}
	h.Tone = h.Status.Tone
	if s.Key != "" {
		h.Sub = "Key " + s.Key + "."
		h.Link = part.Link{Text: "Other writes of this key", URL: address("/writes", "feature", s.Feature, "key", s.Key)}
	}
	if s.Model != "" {
		h.Facts = append(h.Facts, "model "+s.Model)
	}
	if s.Variant != "" {
		h.Facts = append(h.Facts, "arm "+s.Variant)
	}
	return h
}

func writeFacts(s *provenance.Story) []part.Fact {
	reached := part.Value{Under: "no route says where it must arrive"}
	if s.Route.Total > 0 {
		reached = part.Value{Text: strconv.Itoa(s.Route.Reached) + " of " + strconv.Itoa(s.Route.Total), Under: "replicas"}
		if len(s.Route.Missing) > 0 {
			reached.Under = "missing " + format.List(s.Route.Missing)
		}
	}
	out := []part.Fact{
		{Name: "Visible at", Value: reached},
		{Name: "First", Value: duration(s.FirstNS)},
		{Name: "Everywhere", Value: duration(s.AllNS)},
		{Name: "Age", Value: duration(s.AgeNS)},
	}
	if s.ETA != nil {
		v := part.Value{}
		if s.ETA.P50NS != nil {
			v.Text = "in " + format.Duration(*s.ETA.P50NS)
		}
		if s.ETA.P95NS != nil {
			v.Under = "95% sure within " + format.Duration(*s.ETA.P95NS)
		}
		out = append(out, part.Fact{Name: "Expected everywhere", Value: v})
	}
	return out
}

func stageIcon(kind string) string {
	switch kind {
	case "initiated":
		return "writes"
	case "committed":
		return "save"
	case "published":
		return "send"
	case "received":
		return "inbox"
	case "applied":
		return "check"
	case "visible":
		return "eye"
	case "conflict_detected", "conflict_resolved":
		return "conflicts"
	case "failed":
		return "cross"
	}
	return "dot"
}

func timeline(s *provenance.Story) []page.WriteStep {
	out := make([]page.WriteStep, 0, len(s.Timeline)+len(s.Route.Missing))
	for i := range s.Timeline {
		t := &s.Timeline[i]
		step := page.WriteStep{
			Icon: stageIcon(t.Kind), At: time.Unix(0, t.At), Title: strings.ReplaceAll(t.Kind, "_", " "), Text: stepText(t),
		}
		if t.Place != "" {
			step.Title += " at " + t.Place
		}
		if t.Kind == "failed" {
			step.Class = "failed"
		}
		if t.SinceStartNS != nil && *t.SinceStartNS != 0 {
			step.Since = signed(*t.SinceStartNS)
		}
		if t.ErrorNS != nil {
			step.Error = "± " + format.Duration(*t.ErrorNS)
		}
		if t.SincePreviousNS != nil && i > 0 {
			step.Step = signed(*t.SincePreviousNS) + " after the step before"
			if t.Undecided {
				step.Step += "; nearer than the clocks can tell, so which came first is not known"
			}
		}
		out = append(out, step)
	}
	return append(out, missingSteps(s)...)
}

func signed(ns int64) string {
	if ns < 0 {
		return format.Duration(ns)
	}
	return "+" + format.Duration(ns)
}

func stepText(t *provenance.Step) string {
	var parts []string
	if t.Service != "" && t.Service != t.Place {
		parts = append(parts, "reported by "+t.Service)
	}
	if t.Region != "" {
		parts = append(parts, t.Region)
	}
	if t.Reason != "" {
		parts = append(parts, t.Reason)
	}
	if t.RawAt != t.At {
		parts = append(parts, "its own clock said "+signed(t.RawAt-t.At)+" of that")
	}
	return join(parts)
}

// missingSteps are the places where the write has not been seen.
func missingSteps(s *provenance.Story) []page.WriteStep {
	var out []page.WriteStep
	for _, p := range s.Route.Replicas {
		if p.At != nil {
			continue
		}
		step := page.WriteStep{Icon: "clock", Class: "pending", Since: "not yet", Title: "not visible at " + p.Replica}
		if p.State == provenance.StateUnknown {
			step = page.WriteStep{Icon: "question", Class: "silent", Since: "unknown", Title: "nothing known of " + p.Replica, Text: "It is silent: the write may be there or not."}
		}
		out = append(out, step)
	}
	return out
}

func progress(s *provenance.Story) page.Section {
	out := page.Section{
		ID: "replicas", Title: "Where it has to arrive",
		None: part.Empty{Title: "No route", Text: "Neither its events nor a guarantee or route say which replicas it must reach."},
	}
	out.Table = part.Table{Caption: "Replicas", Columns: []part.Column{{Head: "Replica"}, {Head: "Status"}, {Head: "After", Num: true}}}
	for _, p := range s.Route.Replicas {
		first := part.Text(p.Replica)
		after := part.Of(duration(p.LagNS))
		if p.SupersededBy != nil {
			under := "by the later " + p.SupersededBy.Version
			if p.SupersededBy.AtMost {
				under += ", at the latest"
			}
			first = part.Cell{Value: part.Value{Text: p.Replica, Under: under}}
			if p.SupersededBy.WriteID != "" {
				after.URL = writeURL(s.Feature, p.SupersededBy.WriteID)
			}
		}
		out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{first, {Status: writeStatus(p.State)}, after}})
	}
	return out
}

func aboutWrite(s *provenance.Story) []page.Pair {
	pairs := []page.Pair{
		{Name: "Write", Cell: mono(s.WriteID)},
		{Name: "Feature", Cell: part.To(s.Feature, featureURL(s.Feature))},
		{Name: "Began", Cell: part.When(at(s.Initiated))},
		{Name: "Committed", Cell: part.When(at(s.Committed))},
	}
	add := func(name, value string) {
		if value != "" {
			pairs = append(pairs, page.Pair{Name: name, Cell: mono(value)})
		}
	}
	add("Key", s.Key)
	add("Entity", s.Entity)
	add("Version", s.Version)
	add("Actor", s.Actor)
	add("Owner", s.Owner)
	if s.SessionID != "" {
		add("Session", s.SessionID+" #"+strconv.FormatInt(s.SessionSeq, 10))
	}
	add("Flag", s.Flag)
	add("Arm", s.Variant)
	add("Model", s.Model)
	add("Unit", s.Unit)
	add("Mechanism", s.Mechanism)
	add("Before", s.BeforeHash)
	add("After", s.AfterHash)
	return append(pairs, traces(s)...)
}

// traces names each trace once, with the services that reported in it.
func traces(s *provenance.Story) []page.Pair {
	services := map[string][]string{}
	var order []string
	for _, t := range s.Traces {
		if _, ok := services[t.TraceID]; !ok {
			order = append(order, t.TraceID)
			services[t.TraceID] = nil
		}
		if t.Service != "" && !slices.Contains(services[t.TraceID], t.Service) {
			services[t.TraceID] = append(services[t.TraceID], t.Service)
		}
	}
	out := make([]page.Pair, 0, len(order))
	for _, id := range order {
		out = append(out, page.Pair{Name: "Trace", Cell: part.Cell{Value: part.Value{Text: id, Under: format.List(services[id])}, Mono: true}})
	}
	return out
}

func relatives(s *provenance.Story) page.Section {
	out := page.Section{ID: "relatives", Title: "What it depends on, and what depends on it"}
	out.Table = part.Table{Caption: "Related writes", Columns: []part.Column{{Head: "Write"}, {Head: "Relation"}, {Head: "Feature"}, {Head: "Key"}, {Head: "Began"}}}
	add := func(rs []provenance.Relative, how string) {
		for _, r := range rs {
			w := mono(r.WriteID)
			if r.Known {
				w.URL = writeURL(r.Feature, r.WriteID)
			} else {
				w.Under = "no event of it is kept"
			}
			out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{w, part.Text(how), part.Text(r.Feature), mono(r.Key), part.When(at(r.Initiated))}})
		}
	}
	add(s.Parents, "parent")
	add(s.Children, "child")
	return out
}

func writeConflicts(s *provenance.Story) page.Section {
	out := page.Section{ID: "conflicts", Title: "Conflicts that it took part in"}
	out.Table = part.Table{Caption: "Conflicts", Columns: []part.Column{{Head: "Conflict"}, {Head: "Status"}, {Head: "This write"}, {Head: "Rule"}, {Head: "Why"}}}
	for _, d := range s.Conflicts {
		fate := part.Status{Tone: part.Neutral, Text: "Undecided"}
		switch {
		case d.Winner == s.WriteID:
			fate = part.Status{Tone: part.Good, Text: "Won"}
		case d.Winner != "":
			fate = part.Status{Tone: part.Warn, Text: "Lost"}
		}
		out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(d.ID, conflictURL(d.ID)), {Status: conflictStatus(d.State)}, {Status: fate}, part.Text(ruleName(d.Rule, d.RuleVersion)), part.Text(d.Why),
		}})
	}
	return out
}

func repeats(s *provenance.Story) page.Section {
	out := page.Section{ID: "repeats", Title: "Reported again, replayed or failed", About: "These change no number: the first report of each step counts."}
	out.Table = part.Table{Caption: "Repeated reports", Tight: true, Columns: []part.Column{{Head: "When"}, {Head: "What"}, {Head: "Place"}, {Head: "Attempt", Num: true}, {Head: "Reason"}}}
	add := func(steps []provenance.Step, what string) {
		for i := range steps {
			t := &steps[i]
			attempt := part.Text("1")
			if t.Attempt > 1 {
				attempt = part.Text(strconv.Itoa(int(t.Attempt)))
			}
			out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{
				part.When(time.Unix(0, t.At)), {Value: part.Value{Text: t.Kind, Under: what}}, part.Text(t.Place), attempt, part.Text(t.Reason),
			}})
		}
	}
	add(s.Failures, "failed")
	add(s.Replays, "replayed")
	add(s.Duplicates, "reported again")
	return out
}
