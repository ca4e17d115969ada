package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/document"
)

// aboutDocument says which features the revisions of a document are about: a restore
// may bring any of them back.
func (p *Promises) aboutDocument(c echo.Context) ([]string, error) {
	id, err := documentID(c)
	if err != nil {
		return nil, err
	}
	versions, err := p.o.Catalogue.Versions(c.Request().Context(), id)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s %s: %w", id.Kind, id.Name, flags.ErrNotFound)
	}
	features := make([]string, len(versions))
	for i := range versions {
		features[i] = versions[i].Feature
	}
	return features, nil
}

// aboutDocuments says which features the documents in the body are about, and those
// that they would replace: nobody takes a promise over by giving it another feature.
// The body can be read again afterwards.
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
	var features []string
	for i := range batch.Edits {
		// Flags and rules are for those who may control everything; owners make rollouts by
		// their own routes.
		if batch.Edits[i].ID.Kind != flags.KindOwnership {
			return nil, nil
		}
		features = append(features, batch.Edits[i].ID.Name)
	}
	docs := batch.Promises
	for i := range docs {
		features = append(features, docs[i].Feature())
		now, err := p.o.Catalogue.Get(r.Context(), docs[i].ID())
		if errors.Is(err, flags.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		features = append(features, now.Feature)
	}
	return features, nil
}
