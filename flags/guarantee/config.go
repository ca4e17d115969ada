package guarantee

import (
	"cmp"
	"maps"
	"slices"

	"tidemark/flags"
	"tidemark/metrics"
)

// FeatureConfigs replays a history, in the order in which revisions became
// current, into what the fold must know: for each feature the replicas and the
// deadlines in force from each change on, as inForce has it. The result is ordered by feature, then
// From. A revision is in force from the moment it was stored; a feature's replicas
// are those of its active guarantees, or, when these name none, of its active route.
func FeatureConfigs(history []Stored) []metrics.FeatureConfig {
	current := map[flags.DocumentID]*flags.Document{}
	byFeature := map[string][]metrics.FeatureConfig{}
	for i := range history {
		s := &history[i]
		if s.Status == flags.StatusDraft && current[s.ID] != nil && current[s.ID].Status() == flags.StatusActive {
			continue // What is in force goes on beside the draft of its next version.
		}
		touched := map[string]bool{s.Document.Feature(): true}
		if old := current[s.ID]; old != nil {
			touched[old.Feature()] = true
		}
		current[s.ID] = s.Document
		for feature := range touched {
			c := configOf(feature, current)
			c.From = s.At.UnixNano()
			byFeature[feature] = appendConfig(byFeature[feature], c)
		}
	}
	var out []metrics.FeatureConfig
	for _, f := range slices.Sorted(maps.Keys(byFeature)) {
		out = append(out, byFeature[f]...)
	}
	return out
}

// appendConfig adds a config unless it says nothing new; of several at one
// instant only the last counts.
func appendConfig(cs []metrics.FeatureConfig, c metrics.FeatureConfig) []metrics.FeatureConfig {
	if n := len(cs); n > 0 && cs[n-1].From == c.From {
		cs = cs[:n-1]
	}
	if n := len(cs); n > 0 && slices.Equal(cs[n-1].Replicas, c.Replicas) && slices.Equal(cs[n-1].Thresholds, c.Thresholds) {
		return cs
	}
	return append(cs, c)
}

func configOf(feature string, current map[flags.DocumentID]*flags.Document) metrics.FeatureConfig {
	replicas := map[string]metrics.RouteReplica{}
	routed := map[string]metrics.RouteReplica{}
	thresholds := map[metrics.Threshold]bool{}
	for _, d := range current {
		if d.Feature() != feature || d.Status() != flags.StatusActive {
			continue
		}
		into := routed
		if d.Guarantee != nil {
			into = replicas
			addThresholds(thresholds, d.Guarantee)
		}
		for _, r := range d.Replicas() {
			into[r.Name] = metrics.RouteReplica{Name: r.Name, Kind: r.Kind, Silence: r.Silence}
		}
	}
	if len(replicas) == 0 {
		replicas = routed
	}
	return metrics.FeatureConfig{
		Feature:  feature,
		Replicas: slices.SortedFunc(maps.Values(replicas), func(a, b metrics.RouteReplica) int { return cmp.Compare(a.Name, b.Name) }),
		Thresholds: slices.SortedFunc(maps.Keys(thresholds), func(a, b metrics.Threshold) int {
			return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.Value, b.Value))
		}),
	}
}

// addThresholds adds the deadlines that must be counted exactly as writes become
// visible.
func addThresholds(to map[metrics.Threshold]bool, g *flags.Guarantee) {
	for i := range g.Objectives {
		switch o := &g.Objectives[i]; o.SLI {
		case flags.SLITimeToVisibility:
			to[metrics.Threshold{Scope: o.Scope, Replica: o.Replica, Value: int64(o.Value)}] = true
		case flags.SLIConvergence:
			to[metrics.Threshold{Scope: metrics.ScopeAll, Value: int64(o.Within)}] = true
		}
	}
}
