package main

import (
	"errors"
	"net/http"

	"tidemark/flags/document"
)

// exportCmd is "tidemark export".
type exportCmd struct {
	remoteFlags
	dataFlag

	Format string `help:"Form: yaml, which apply reads back; flagd (the flags as a stock flagd takes them, with rollouts written out as targeting); openslo (OpenSLO v1, active guarantees)." enum:"yaml,flagd,openslo" default:"yaml"`
}

// Run implements the verb.
func (c *exportCmd) Run(e *env) error {
	if err := checkPlace(c.remoteFlags, c.Data); err != nil {
		return err
	}
	text, err := c.read(e)
	if err != nil {
		return err
	}
	_, err = e.stdout.Write(text)
	return err //nolint:wrapcheck // There is nothing to add.
}

func (c *exportCmd) read(e *env) (text []byte, err error) {
	if c.To != "" {
		err = c.call(e.ctx, http.MethodGet, "/api/v1/documents?format="+c.Format, nil, &text)
		return text, err
	}
	cat, closeStore, err := openCatalogue(e, c.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	switch c.Format {
	case "flagd":
		return cat.Flagd()
	case "openslo":
		return cat.OpenSLO(e.ctx)
	}
	docs, err := cat.Current(e.ctx)
	if err != nil {
		return nil, err
	}
	return document.Export(docs), nil
}
