package flagset

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// message is an error's own words, without the sentinel that it wraps.
func message(err error) string {
	return strings.TrimPrefix(err.Error(), flags.ErrInvalid.Error()+": ")
}

// blame turns what eval found wrong into problems, each with the file of the edit
// that it is about. Other errors come back as they are.
func blame(err error, edits []Edit) ([]flags.Problem, error) {
	if err == nil {
		return nil, nil
	}
	invalid, ok := errors.AsType[*eval.Invalid](err)
	if !ok {
		return nil, err
	}
	out := make([]flags.Problem, 0, len(invalid.Problems))
	for _, p := range invalid.Problems {
		out = append(out, flags.Problem{File: sourceOf(p.Path, edits), Field: p.Path, Message: p.Message})
	}
	slices.SortStableFunc(out, func(a, b flags.Problem) int { return strings.Compare(a.File, b.File) })
	return out, nil
}

func sourceOf(path string, edits []Edit) string {
	for i := range edits {
		if _, ok := strings.CutPrefix(path, Path(edits[i].ID)); ok {
			return edits[i].Source
		}
	}
	return ""
}

// Path is where a document stands in the definition that eval compiles, as the paths
// of problems begin.
func Path(id flags.DocumentID) string {
	switch id.Kind {
	case flags.KindFlag:
		return child("$.flags", id.Name)
	case flags.KindCohort:
		return child("$.$evaluators", id.Name)
	case flags.KindFlagSet:
		return "$.metadata"
	}
	return "$"
}

// child writes a member as eval's paths do.
func child(path, name string) string {
	for i, r := range name {
		letter := r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return path + "[" + strconv.Quote(name) + "]"
		}
	}
	return path + "." + name
}
