package flags

// Model is what a feature promises its readers about what they see.
type Model string

// The consistency models, weakest first within each chain:
//
//	eventual < monotonic-reads  < causal < strong
//	eventual < read-your-writes < causal < strong
//	eventual < bounded-staleness         < strong
//
// Models that no chain connects are incomparable: neither includes the other.
const (
	// ModelEventual: replicas agree once writing stops. Nothing about when.
	ModelEventual Model = "eventual"
	// ModelBoundedStaleness: a read is at most a stated time, or number of versions, behind.
	ModelBoundedStaleness Model = "bounded-staleness"
	// ModelMonotonicReads: a session never sees an older state after a newer one.
	ModelMonotonicReads Model = "monotonic-reads"
	// ModelReadYourWrites: a session sees its own writes.
	ModelReadYourWrites Model = "read-your-writes"
	// ModelCausal: effects are never seen before their causes; includes the session guarantees.
	ModelCausal Model = "causal"
	// ModelStrong: every read sees the latest committed write.
	ModelStrong Model = "strong"
)

// Models lists every model, weaker ones before stronger ones.
func Models() []Model {
	return []Model{
		ModelEventual, ModelBoundedStaleness, ModelMonotonicReads,
		ModelReadYourWrites, ModelCausal, ModelStrong,
	}
}

// ParseModel returns the model with that name; ok is false when there is none.
func ParseModel(s string) (m Model, ok bool) {
	for _, m := range Models() {
		if string(m) == s {
			return m, true
		}
	}
	return "", false
}

// Includes reports whether whoever is promised m is also given everything that o
// promises: m is o, or stronger than o. It is a partial order.
func (m Model) Includes(o Model) bool {
	if m == o || m == ModelStrong || o == ModelEventual {
		return true
	}
	return m == ModelCausal && (o == ModelMonotonicReads || o == ModelReadYourWrites)
}

// Join returns the weakest model that includes both.
func (m Model) Join(o Model) Model {
	switch {
	case m.Includes(o):
		return m
	case o.Includes(m):
		return o
	case ModelCausal.Includes(m) && ModelCausal.Includes(o):
		return ModelCausal
	}
	return ModelStrong
}

// Words is the promise of the model in a few words, for a sentence about readers.
func (m Model) Words() string {
	switch m {
	case ModelEventual:
		return "replicas agree in the end"
	case ModelBoundedStaleness:
		return "what is read is at most a stated time behind"
	case ModelMonotonicReads:
		return "nobody sees time run backwards"
	case ModelReadYourWrites:
		return "everyone sees their own changes"
	case ModelCausal:
		return "effects are never seen before their causes"
	case ModelStrong:
		return "everyone sees the latest change"
	}
	return ""
}
