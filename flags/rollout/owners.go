package rollout

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"tidemark/flags"
)

// CheckOwners says why those who own what a rollout is about, and may not control
// everything, may not give a command that the owners of all of it give otherwise.
func CheckOwners(v CommandVerb, p *flags.Plan) error {
	if v != CommandStart {
		return nil
	}
	return CheckOwnersCohort(p.Cohort)
}

// CheckOwnersCohort says what is wrong with a cohort that owners write. A rollout counts
// its units, so that a rule that is chosen freely asks who is what of the contexts of
// others: that is for who may control. Owners take everybody, a stored cohort, or what the
// plan had already.
func CheckOwnersCohort(cohort json.RawMessage, kept ...json.RawMessage) error {
	same := func(k json.RawMessage) bool { return sameJSON(k, cohort) }
	if len(cohort) == 0 || namesCohort(cohort) || slices.ContainsFunc(kept, same) {
		return nil
	}
	return invalid("cohort", `is a rule of its own, which takes the permission "control"; name a stored cohort`)
}

// namesCohort reports whether a rule is a stored cohort, and nothing besides.
func namesCohort(rule json.RawMessage) bool {
	var ref map[string]string
	return json.Unmarshal(rule, &ref) == nil && len(ref) == 1 && ref["$ref"] != ""
}

// sameJSON reports whether two texts are the same value, however they are written.
func sameJSON(a, b []byte) bool {
	read := func(raw []byte) (v any, ok bool) {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		return v, dec.Decode(&v) == nil
	}
	x, okX := read(a)
	y, okY := read(b)
	return okX && okY && reflect.DeepEqual(x, y)
}
