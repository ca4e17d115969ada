package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/open-feature/go-sdk/openfeature"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// BooleanEvaluation implements openfeature.FeatureProvider.
func (p *Provider) BooleanEvaluation(_ context.Context, flag string, def bool, ctx openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	return resolve(p, flag, def, ctx, "boolean", func(v any) (bool, bool) { b, ok := v.(bool); return b, ok })
}

// StringEvaluation implements openfeature.FeatureProvider.
func (p *Provider) StringEvaluation(_ context.Context, flag, def string, ctx openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return resolve(p, flag, def, ctx, "string", func(v any) (string, bool) { s, ok := v.(string); return s, ok })
}

// FloatEvaluation implements openfeature.FeatureProvider.
func (p *Provider) FloatEvaluation(_ context.Context, flag string, def float64, ctx openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return resolve(p, flag, def, ctx, "number", func(v any) (float64, bool) { f, ok := v.(float64); return f, ok })
}

// IntEvaluation implements openfeature.FeatureProvider. A number with a fraction is
// not an integer, and is not cut to one.
func (p *Provider) IntEvaluation(_ context.Context, flag string, def int64, ctx openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return resolve(p, flag, def, ctx, "integer", func(v any) (int64, bool) {
		f, ok := v.(float64)
		return int64(f), ok && f == float64(int64(f))
	})
}

// ObjectEvaluation implements openfeature.FeatureProvider. The value is the caller's.
func (p *Provider) ObjectEvaluation(_ context.Context, flag string, def any, ctx openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return resolve(p, flag, def, ctx, "object", func(v any) (any, bool) {
		m, ok := v.(map[string]any)
		return clone(m), ok
	})
}

// resolve evaluates a flag and takes its value as a type.
func resolve[T any](p *Provider, flag string, def T, ctx openfeature.FlattenedContext, kind string, as func(any) (T, bool)) openfeature.GenericResolutionDetail[T] {
	out := openfeature.GenericResolutionDetail[T]{Value: def}
	h := p.held.Load()
	if h == nil {
		out.Reason = openfeature.ErrorReason
		out.ResolutionError = openfeature.NewProviderNotReadyResolutionError("no flags have come from the server yet")
		return out
	}
	r := h.set.Evaluate(flag, eval.Context(ctx), p.o.Now())
	if p.o.Observe != nil {
		p.o.Observe(flag, &r)
	}
	out.Reason, out.Variant, out.FlagMetadata = openfeature.Reason(r.Reason), r.Variant, metadataOf(&r)
	switch {
	case r.Code != eval.CodeNone:
		out.ResolutionError = errorOf(&r)
	case r.HasValue():
		v, ok := as(r.Value)
		if !ok {
			out.Reason, out.Variant = openfeature.ErrorReason, ""
			out.ResolutionError = openfeature.NewTypeMismatchResolutionError("flag " + strconv.Quote(flag) + ": its value is no " + kind)
			break
		}
		out.Value = v
	}
	return out
}

// metadataOf is the answer's metadata. The version is text there, as OpenTelemetry
// wants it.
func metadataOf(r *eval.Result) openfeature.FlagMetadata {
	m := r.Metadata.Map()
	if v, ok := m["version"].(float64); ok {
		m["version"] = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return m
}

func errorOf(r *eval.Result) openfeature.ResolutionError {
	switch r.Code {
	case eval.CodeFlagNotFound:
		return openfeature.NewFlagNotFoundResolutionError(r.Details)
	case eval.CodeParseError:
		return openfeature.NewParseErrorResolutionError(r.Details)
	case eval.CodeTypeMismatch:
		return openfeature.NewTypeMismatchResolutionError(r.Details)
	case eval.CodeTargetingKeyMissing:
		return openfeature.NewTargetingKeyMissingResolutionError(r.Details)
	case eval.CodeInvalidContext:
		return openfeature.NewInvalidContextResolutionError(r.Details)
	}
	return openfeature.NewGeneralResolutionError(r.Details)
}

// clone copies objects and lists: those of the set are shared.
func clone(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// changes lists the flags that may answer otherwise: whose definition or rollout
// changed; all of them when a cohort or the set's metadata did.
func changes(before, after *eval.Set) []string {
	a, b := before.Definition(), after.Definition()
	shared := !maps.EqualFunc(a.Cohorts, b.Cohorts, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) }) || !maps.Equal(a.Metadata, b.Metadata)
	ra, rb := assignments(a.Assignments), assignments(b.Assignments)
	keys := map[string]bool{}
	for k := range a.Flags {
		keys[k] = true
	}
	for k := range b.Flags {
		keys[k] = true
	}
	var out []string
	for k := range keys {
		x, had := a.Flags[k]
		y, has := b.Flags[k]
		same := had == has && x.Revision == y.Revision && bytes.Equal(x.Content, y.Content)
		if shared || !same || !sameAssignment(ra[k], rb[k]) || a.PinsBroken[k] != b.PinsBroken[k] {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func assignments(as []flags.Assignment) map[string]*flags.Assignment {
	out := make(map[string]*flags.Assignment, len(as))
	for i := range as {
		out[as[i].Flag] = &as[i]
	}
	return out
}

func sameAssignment(a, b *flags.Assignment) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	same := bytes.Equal(x.Cohort, y.Cohort)
	x.Cohort, y.Cohort = nil, nil
	return same && x.Rollout == y.Rollout && x.Salt == y.Salt && x.Step == y.Step && x.Percent == y.Percent &&
		x.Candidate == y.Candidate && x.Control == y.Control && x.PinFor == y.PinFor && x.PinsBrokenAt == y.PinsBrokenAt
}
