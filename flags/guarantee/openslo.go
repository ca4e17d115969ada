package guarantee

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
)

// OpenSLO writes a guarantee as OpenSLO v1 documents of kind SLO, one for each
// objective, because an SLO has one indicator and objectives here measure
// different things. What OpenSLO cannot say (an age limit, a share of exactly 0 or
// 1) becomes a comment, so that nothing is lost without a word.
func OpenSLO(g *flags.Guarantee) []byte {
	var parts [][]byte
	for i := range g.Objectives {
		parts = append(parts, slo(g, i))
	}
	return bytes.Join(parts, []byte("---\n"))
}

func slo(g *flags.Guarantee, i int) []byte {
	var y yamlWriter
	o := &g.Objectives[i]
	goal := o.Goal()
	if !o.Counts() || goal <= 0 || goal >= 1 {
		fmt.Fprintf(&y, "# %s of %s is not in OpenSLO's terms: %s.\n", o.Key(), g.Name, Words(o))
		return y.Bytes()
	}
	name := sloName(g.Name, i)
	y.raw(0, "apiVersion", "openslo/v1")
	y.raw(0, "kind", "SLO")
	y.open(0, "metadata")
	y.raw(1, "name", scalar(name))
	y.raw(1, "displayName", quote(Words(o)))
	y.sloLabels(g)
	y.open(1, "annotations")
	y.raw(2, "tidemark/guarantee", scalar(g.Name))
	y.raw(2, "tidemark/version", quote(g.Version))
	y.raw(2, "tidemark/model", scalar(string(g.Model)))
	y.raw(2, "tidemark/owner", scalar(g.Owner))
	y.open(0, "spec")
	y.pair(1, "description", g.Story)
	y.raw(1, "service", scalar(g.Feature))
	y.indicator(g, o, name)
	y.open(1, "timeWindow")
	y.raw(2, "- duration", sloDuration(o.Window))
	y.raw(3, "isRolling", "true")
	y.raw(1, "budgetingMethod", "Occurrences")
	y.open(1, "objectives")
	y.raw(2, "- displayName", quote(Words(o)))
	y.raw(3, "target", shortest(goal))
	return y.Bytes()
}

// sloName keeps to the 63 characters that every reader of OpenSLO takes.
func sloName(name string, i int) string {
	suffix := "-" + strconv.Itoa(i+1)
	if len(name)+len(suffix) > maxName {
		name = strings.TrimRight(name[:maxName-len(suffix)], "-")
	}
	return name + suffix
}

func (y *yamlWriter) sloLabels(g *flags.Guarantee) {
	if len(g.Labels) == 0 {
		return
	}
	y.open(1, "labels")
	for _, k := range slices.Sorted(maps.Keys(g.Labels)) {
		// OpenSLO's label names know no '/'.
		y.raw(2, scalar(strings.ReplaceAll(k, "/", ".")), quote(g.Labels[k]))
	}
}

func (y *yamlWriter) indicator(g *flags.Guarantee, o *flags.Objective, name string) {
	count := "good"
	if !o.IsDuration() && o.Op == flags.OpLTE {
		count = "bad"
	}
	y.open(1, "indicator")
	y.open(2, "metadata")
	y.raw(3, "name", scalar(name+"-sli"[:min(4, maxName-len(name))]))
	y.open(2, "spec")
	y.open(3, "ratioMetric")
	y.raw(4, "counter", "true")
	for _, c := range []string{count, "total"} {
		y.open(4, c)
		y.open(5, "metricSource")
		y.raw(6, "type", "tidemark")
		y.open(6, "spec")
		y.raw(7, "feature", scalar(g.Feature))
		y.raw(7, "sli", string(o.SLI))
		y.raw(7, "count", c)
		y.pair(7, "of", o.Of)
		y.pair(7, "scope", o.Scope)
		y.pair(7, "replica", o.Replica)
		if o.IsDuration() {
			y.raw(7, "within", flags.FormatDuration(time.Duration(o.Value)))
		} else if o.Within > 0 {
			y.raw(7, "within", flags.FormatDuration(o.Within))
		}
	}
}

// sloDuration is in OpenSLO's shorthand: whole minutes, hours or days.
func sloDuration(d time.Duration) string {
	return flags.FormatDuration((d + time.Minute - 1).Truncate(time.Minute))
}

// shortest takes the dust off a difference such as 1 − 0.0001.
func shortest(v float64) string {
	text := strings.TrimRight(strconv.FormatFloat(v, 'f', 12, 64), "0")
	return strings.TrimSuffix(text, ".")
}
