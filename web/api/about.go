package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/document"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
)

// aboutDocument says which features the revisions of a document are about: a restore
// may bring any of them back.
func (p *Promises) aboutDocument(c echo.Context) ([]string, error) {
	id, err := documentID(c)
	if err != nil {
		return nil, err
	}
	versions, err := p.o.Catalogue.Versions(c.Request().Context(), id)
	return guarantee.Features(versions), err
}

// aboutReview says which feature the document in force is about: a review changes nothing,
// so that it is for whose promise it is now.
func (p *Promises) aboutReview(c echo.Context) ([]string, error) {
	id, err := documentID(c)
	if err != nil {
		return nil, err
	}
	d, err := p.o.Catalogue.GetInForce(c.Request().Context(), id)
	return []string{d.Feature}, err
}

// aboutDocuments says which features the documents in the body are about, and those
// that they would replace, in force or drafted: nobody takes a promise over by giving it
// another feature. The body can be read again afterwards.
func (p *Promises) aboutDocuments(c echo.Context) ([]string, error) {
	r := c.Request()
	body, err := io.ReadAll(io.LimitReader(r.Body, document.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	batch, err := document.Parse("body", body)
	if err != nil {
		return nil, nil //nolint:nilerr // The owner of nothing in particular learns no more than that.
	}
	features, err := p.aboutEdits(r.Context(), batch.Edits)
	if err != nil || len(batch.Edits) > 0 && features == nil {
		return nil, err
	}
	docs := batch.Promises
	for i := range docs {
		features = append(features, docs[i].Feature())
		versions, err := p.o.Catalogue.Versions(r.Context(), docs[i].ID())
		if errors.Is(err, flags.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		features = append(features, versions[0].Feature, versions[guarantee.Held(versions)].Feature)
	}
	return features, nil
}

// aboutEdits says which features declarations of ownership and rollout plans are about,
// and those that plans would replace; the same as by the routes and pages of rollouts.
// Documents of other kinds give nil: flags, cohorts, rules and labels are for those who
// may control everything, so that nobody claims a flag by giving it a feature.
func (p *Promises) aboutEdits(ctx context.Context, edits []flagset.Edit) ([]string, error) {
	var features []string
	for i := range edits {
		e := &edits[i]
		if e.ID.Kind == flags.KindOwnership {
			features = append(features, e.ID.Name)
			continue
		}
		if e.ID.Kind != flags.KindRolloutPlan {
			return nil, nil
		}
		about, err := p.aboutPlan(ctx, e)
		if err != nil || about == nil {
			return nil, err
		}
		features = append(features, about...)
	}
	return features, nil
}

// aboutPlan says which features a document of a plan is about: as it would be, as it is
// stored, and as the rollout is that it would change; nil when nobody owns what it is about.
func (p *Promises) aboutPlan(ctx context.Context, e *flagset.Edit) ([]string, error) {
	var plans []flags.Plan
	var kept []json.RawMessage
	now, err := p.o.Store.Document(ctx, e.ID)
	switch {
	case err == nil && len(now.Content) > 0:
		d, err := rollout.ParseDocument(now.Content)
		if err != nil {
			return nil, nil //nolint:nilerr // It is about nothing that anybody owns.
		}
		plans, kept = append(plans, d.Plan), append(kept, d.Plan.Cohort)
	case err != nil && !errors.Is(err, flags.ErrNotFound):
		return nil, fmt.Errorf("what %s is about: %w", e.ID, err)
	}
	made, err := p.o.Rollouts.List(ctx)
	if err != nil {
		return nil, err
	}
	if r := rollout.OfDocument(made, e.ID.Name); r != nil {
		plans, kept = append(plans, r.Plan), append(kept, r.Plan.Cohort)
	}
	d, err := rollout.ParseDocument(e.Content)
	if err != nil {
		return nil, nil //nolint:nilerr // The same.
	}
	if err := rollout.CheckOwnersCohort(d.Plan.Cohort, kept...); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", access.ErrForbidden, e.ID, err)
	}
	var features []string
	for _, plan := range append(plans, d.Plan) {
		about, err := p.o.Rollouts.About(ctx, &plan)
		if err != nil {
			return nil, err
		}
		features = append(features, about...)
	}
	return features, nil
}
