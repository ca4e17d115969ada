package main

import (
	"errors"
	"net/http"

	"tidemark/flags/guarantee"
)

// exportCmd is "tidemark export".
type exportCmd struct {
	remoteFlags
	dataFlag

	Format string `help:"Form: yaml, which apply reads back, or openslo (OpenSLO v1, active guarantees)." enum:"yaml,openslo" default:"yaml"`
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
	docs, err := cat.Current(e.ctx)
	if err != nil {
		return nil, err
	}
	return guarantee.Export(docs, c.Format == "openslo"), nil
}
