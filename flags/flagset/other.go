package flagset

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tidemark/flags"
	"tidemark/flags/reconcile"
)

// maxDescription bounds the words of a label, in characters.
const maxDescription = 1000

// checkOther checks what eval does not compile, and returns the version that the
// content itself names.
func (c *Catalogue) checkOther(e *Edit, cur *flags.DocumentVersion, content json.RawMessage) (string, error) {
	if len(content) > MaxPlanBytes {
		return "", wrong(e, "", "is %d bytes; at most %d are allowed", len(content), MaxPlanBytes)
	}
	if len(content) == 0 || content[0] != '{' {
		return "", wrong(e, "", "must be an object")
	}
	switch e.ID.Kind {
	case flags.KindRolloutPlan:
		if c.opt.CheckPlan == nil {
			return "", nil
		}
		return "", inFile(e, c.opt.CheckPlan(content))
	case flags.KindRule:
		return checkRule(e, cur, content)
	case flags.KindLabel:
		_, err := readLabel(e, content)
		return "", err
	case flags.KindPolicy:
		return "", c.checkPolicy(e, content)
	case flags.KindOwnership:
		return "", checkOwnership(e, content)
	}
	return "", nil
}

// checkRule also holds versions to their meaning: each stands for one content, and what
// is new has a higher number. A restore brings an earlier one back by name. What is
// stored already is taken as it is: it may be from before its parameters were looked at.
func checkRule(e *Edit, cur *flags.DocumentVersion, content json.RawMessage) (string, error) {
	read := reconcile.Parse
	if e.Restores > 0 || hash(content) == cur.Hash {
		read = reconcile.Stored
	}
	r, err := read(content)
	if err != nil {
		if f, ok := errors.AsType[*reconcile.FieldError](err); ok {
			return "", wrong(e, f.Field, "%s", f.Message)
		}
		return "", wrong(e, "", "%s", err)
	}
	was, err := strconv.Atoi(cur.Version)
	if err == nil && r.Version <= was && e.Restores == 0 && hash(content) != cur.Hash {
		return "", wrong(e, "version", "is %d, and version %d is what is current (revision %d); a rule that changes has a higher version", r.Version, was, cur.Revision)
	}
	return strconv.Itoa(r.Version), nil
}

func wrong(e *Edit, field, format string, args ...any) error {
	if field != "" {
		field = "spec." + field
	} else {
		field = "spec"
	}
	return flags.AsProblems([]flags.Problem{{File: e.Source, Field: field, Message: fmt.Sprintf(format, args...)}})
}

// inFile says of problems in which file they are, and that their fields are below spec.
func inFile(e *Edit, err error) error {
	ps, ok := errors.AsType[*flags.ProblemsError](err)
	if !ok {
		if err != nil {
			return wrong(e, "", "%s", message(err))
		}
		return nil
	}
	out := slices.Clone(ps.Problems)
	for i := range out {
		out[i].File = e.Source
		out[i].Field = strings.TrimSuffix("spec."+out[i].Field, ".")
	}
	return flags.AsProblems(out)
}
