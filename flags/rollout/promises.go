package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidemark/flags"
	"tidemark/flags/guarantee"
)

// Promises is the catalogue of guarantees as far as rollouts need it.
type Promises interface {
	// Guarantee returns the one of that name, in the version in force, or the active one of
	// a feature when name is ""; nil when there is none. Of several the first by name counts.
	Guarantee(ctx context.Context, name, feature string) (*flags.Guarantee, error)
	// HasVersion says why a version of a guarantee cannot be activated; nil when it can.
	HasVersion(ctx context.Context, name, version string) error
	// FeatureOf is the feature that a version of a guarantee is about; flags.ErrNotFound when
	// the history has no such version.
	FeatureOf(ctx context.Context, name, version string) (string, error)
	// ActiveSince is the version of a guarantee that is active, and since when; "" when none is.
	ActiveSince(ctx context.Context, name string) (version string, at time.Time, err error)
	// Activate makes a version of the history the current one, in force. Doing it twice
	// changes nothing.
	Activate(ctx context.Context, name, version string, by flags.Author) error
}

// FromGuarantees returns the catalogue in the form that rollouts need.
func FromGuarantees(c *guarantee.Catalogue) Promises { return &catalogue{c} }

type catalogue struct{ c *guarantee.Catalogue }

// Guarantee implements Promises.
func (p *catalogue) Guarantee(ctx context.Context, name, feature string) (*flags.Guarantee, error) {
	docs, err := p.c.InForce(ctx)
	if err != nil {
		return nil, err
	}
	for i := range docs {
		g := docs[i].Document.Guarantee
		switch {
		case g == nil:
		case name != "" && g.Name == name:
			return g, nil
		case name == "" && g.Feature == feature && g.Status == flags.StatusActive:
			return g, nil
		}
	}
	return nil, nil //nolint:nilnil // Nothing is promised.
}

// HasVersion implements Promises.
func (p *catalogue) HasVersion(ctx context.Context, name, version string) error {
	_, err := p.FeatureOf(ctx, name, version)
	if errors.Is(err, flags.ErrNotFound) {
		return fmt.Errorf("guarantee %q has no version %q; apply it first, such as with status: draft", clip(name), clip(version))
	}
	return err
}

// FeatureOf implements Promises.
func (p *catalogue) FeatureOf(ctx context.Context, name, version string) (string, error) {
	vs, err := p.c.Versions(ctx, flags.DocumentID{Kind: flags.KindGuarantee, Name: name})
	if err != nil {
		return "", err
	}
	for i := range vs {
		if vs[i].Version == version {
			return vs[i].Feature, nil
		}
	}
	return "", fmt.Errorf("guarantee %q version %q: %w", name, version, flags.ErrNotFound)
}

// ActiveSince implements Promises.
func (p *catalogue) ActiveSince(ctx context.Context, name string) (version string, at time.Time, err error) {
	g, err := p.c.GetInForce(ctx, flags.DocumentID{Kind: flags.KindGuarantee, Name: name})
	if errors.Is(err, flags.ErrNotFound) || err == nil && g.Status != flags.StatusActive {
		return "", at, nil
	}
	return g.Version, g.At, err
}

// Activate implements Promises.
func (p *catalogue) Activate(ctx context.Context, name, version string, by flags.Author) error {
	_, err := p.c.Activate(ctx, flags.DocumentID{Kind: flags.KindGuarantee, Name: name}, version, by)
	return err
}
