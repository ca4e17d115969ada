package flagset

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tidemark/flags"
	"tidemark/metrics"
)

// Label is what is known of a label: which services have clearance to carry writes that
// have it. The document's name is the label, or what a family of labels begins with and
// a star: tenant:*.
type Label struct {
	Description string   `json:"description,omitempty"`
	Services    []string `json:"services"` // ["*"] is every service
}

// maxServices bounds the services of one label.
const maxServices = 500

// readLabel also checks the name, which is what events are compared with.
func readLabel(e *Edit, content json.RawMessage) (*Label, error) {
	name := e.ID.Name
	if len(name) > metrics.MaxName || strings.Contains(strings.TrimSuffix(name, metrics.EveryService), "*") {
		return nil, flags.AsProblems([]flags.Problem{{File: e.Source, Field: "metadata.name", Message: fmt.Sprintf(
			"%q is not a label: it must be at most %d bytes, and a * may stand at its end alone", name, metrics.MaxName)}})
	}
	var l Label
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		field, mistake := flags.JSONMistake(err)
		return nil, wrong(e, field, "%s; the members of a label are description and services", mistake)
	}
	switch {
	case l.Services == nil:
		return nil, wrong(e, "services", `is missing: name the services that may carry the label, [] for none or ["*"] for all`)
	case len(l.Services) > maxServices:
		return nil, wrong(e, "services", "has %d items; at most %d are allowed", len(l.Services), maxServices)
	case utf8.RuneCountInString(l.Description) > maxDescription:
		return nil, wrong(e, "description", "must be at most %d characters", maxDescription)
	}
	for i, s := range l.Services {
		if s == "" || len(s) > metrics.MaxName || strings.TrimSpace(s) != s {
			return nil, wrong(e, fmt.Sprintf("services[%d]", i), "%q must be 1 to %d bytes without space around it", s, metrics.MaxName)
		}
		if slices.Contains(l.Services[:i], s) {
			return nil, wrong(e, fmt.Sprintf("services[%d]", i), "%q is there twice", s)
		}
	}
	return &l, nil
}

// LabelRules are the labels with their whole history, as telemetry is judged by it: a
// revision holds from the moment at which it became current.
func LabelRules(ctx context.Context, store flags.GuaranteeStore) ([]metrics.LabelRule, error) {
	history, err := store.History(ctx)
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	var out []metrics.LabelRule
	for _, v := range history {
		if v.ID.Kind != flags.KindLabel {
			continue
		}
		r := metrics.LabelRule{Label: v.ID.Name, From: v.At.UnixNano(), Revision: v.Revision, Gone: v.Status == flags.StatusDeleted}
		if !r.Gone {
			var l Label
			if err := json.Unmarshal(v.Content, &l); err != nil {
				return nil, fmt.Errorf("labels: %s revision %d: %w", v.ID, v.Revision, err)
			}
			r.Services = l.Services
		}
		out = append(out, r)
	}
	return out, nil
}

// labelsChanged tells whoever judges by labels, when a plan stored any.
func (c *Catalogue) labelsChanged(ctx context.Context, p *Plan) error {
	changed := slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Kind == flags.KindLabel && s.Action != ActionUnchanged })
	if !changed || c.opt.LabelsChanged == nil {
		return nil
	}
	if err := c.opt.LabelsChanged(ctx); err != nil {
		return fmt.Errorf("the change is stored, and holds from the next start: %w", err)
	}
	return nil
}
