package rollup

// MaxTrialUnits is how many units of all trials together are followed, half of them at
// most of the trials of one feature; what names further ones is counted in
// TrialEvidence.Overflow. A unit takes about 150 bytes a step.
const MaxTrialUnits = 250_000

// unitOf returns the unit of that name, making it; nil beyond the limit.
func (t *trial) unitOf(e *Engine, name string) *unit {
	if u, ok := t.units[name]; ok {
		return u
	}
	if !e.trialUnits.room(t.def.Feature, e.opts.TrialUnits) {
		if !e.silent { // Else a checkpoint has counted it.
			t.counts.Overflow++
		}
		return nil
	}
	return t.follow(e, name)
}

// follow takes a unit in, however many there are.
func (t *trial) follow(e *Engine, name string) *unit {
	e.trialUnits.add(t.def.Feature, 1)
	name = cloneString(name)
	u := &unit{name: name, bucket: bucketOf(t.def.Salt, name)}
	t.units[name] = u
	return u
}

// unitCount is how many units are followed. The trials that name no feature are counted
// as those of one more.
type unitCount struct {
	all int
	of  map[string]int // by feature
}

// room reports whether one more of a feature may be followed: within the limit, and
// within the half of it that one feature may take.
func (c *unitCount) room(feature string, limit int) bool {
	return c.all < limit && c.of[feature] < max(limit/2, 1)
}

func (c *unitCount) add(feature string, n int) {
	c.all += n
	if c.of[feature] += n; c.of[feature] == 0 {
		delete(c.of, feature)
	}
}
