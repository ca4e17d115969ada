package provider

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/open-feature/go-sdk/openfeature"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"tidemark/metrics"
	"tidemark/metrics/client"
)

// Stamp is what an evaluation decided, as telemetry carries it: with it tidemark
// knows which arm of a rollout a write or a read belongs to.
type Stamp struct {
	Flag    string
	Variant string
	Model   string // the consistency model that the value names; "" when it names none
	Unit    string // the targeting key
	Arm     string // of a rollout; "" outside of one
	Rollout string
	Pin     string // to send back as "tidemark.pin" so that the session stays where it is
}

// StampOf reads the stamp off an evaluation's details.
func StampOf(d openfeature.InterfaceEvaluationDetails, unit string) Stamp {
	text := func(name string) string { s, _ := d.FlagMetadata[name].(string); return s }
	s := Stamp{Flag: d.FlagKey, Variant: d.Variant, Unit: unit, Arm: text("arm"), Rollout: text("rollout"), Pin: text("pin")}
	if m, ok := d.Value.(map[string]any); ok {
		s.Model, _ = m["model"].(string)
	}
	return s
}

// Event stamps an event.
func (s Stamp) Event(e *metrics.Event) {
	e.Flag, e.Variant, e.Model, e.Unit = s.Flag, s.Variant, s.Model, s.Unit
}

// Write stamps a write that is about to begin.
func (s Stamp) Write(o *client.WriteOptions) {
	o.Flag, o.Variant, o.Model, o.Unit = s.Flag, s.Variant, s.Model, s.Unit
}

// Read stamps a read.
func (s Stamp) Read(o *client.ReadOptions) {
	o.Flag, o.Variant, o.Model, o.Unit = s.Flag, s.Variant, s.Model, s.Unit
}

// stamps are those of one request, by flag.
type stamps struct {
	mu     sync.Mutex
	byFlag map[string]Stamp
}

type stampsKey struct{}

// WithStamps returns a context in which evaluations leave their stamps. Make one for
// each request, evaluate with it, and take the stamps with Stamped.
func WithStamps(ctx context.Context) context.Context {
	return context.WithValue(ctx, stampsKey{}, &stamps{byFlag: map[string]Stamp{}})
}

// Stamped returns the stamp of the latest evaluation of a flag in the context.
func Stamped(ctx context.Context, flag string) (Stamp, bool) {
	s, _ := ctx.Value(stampsKey{}).(*stamps)
	if s == nil {
		return Stamp{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp, ok := s.byFlag[flag]
	return stamp, ok
}

// Hooks implements openfeature.FeatureProvider: each evaluation is noted on the
// current span and among the context's stamps.
func (p *Provider) Hooks() []openfeature.Hook { return []openfeature.Hook{hook{}} }

type hook struct{ openfeature.UnimplementedHook }

// Finally implements openfeature.Hook.
func (hook) Finally(ctx context.Context, hc openfeature.HookContext, d openfeature.InterfaceEvaluationDetails, _ openfeature.HookHints) {
	unit := hc.EvaluationContext().TargetingKey()
	if s, _ := ctx.Value(stampsKey{}).(*stamps); s != nil && d.ErrorCode == "" {
		s.mu.Lock()
		s.byFlag[hc.FlagKey()] = StampOf(d, unit)
		s.mu.Unlock()
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("feature_flag.evaluation", trace.WithAttributes(attributes(hc, d, unit)...))
	}
}

// attributes are those of OpenTelemetry's semantic conventions for feature flags.
func attributes(hc openfeature.HookContext, d openfeature.InterfaceEvaluationDetails, unit string) []attribute.KeyValue {
	out := []attribute.KeyValue{
		attribute.String("feature_flag.key", hc.FlagKey()),
		attribute.String("feature_flag.provider.name", hc.ProviderMetadata().Name),
		attribute.String("feature_flag.result.reason", strings.ToLower(string(d.Reason))),
	}
	text := func(name, value string) {
		if value != "" {
			out = append(out, attribute.String(name, value))
		}
	}
	text("feature_flag.result.variant", d.Variant)
	text("feature_flag.context.id", unit)
	for name, from := range map[string]string{"feature_flag.set.id": "flagSetId", "feature_flag.version": "version"} {
		value, _ := d.FlagMetadata[from].(string)
		text(name, value)
	}
	text("error.type", strings.ToLower(string(d.ErrorCode)))
	text("error.message", d.ErrorMessage)
	return out
}

// Track implements openfeature.Tracker: what is tracked becomes a read of the feature
// that its attribute "feature" names, or of Options.Feature, with the event's name as
// its entity and everything else among its attributes. "flag" and "variant" say which
// arm it belongs to; where they are left out the context's stamps are asked.
func (p *Provider) Track(ctx context.Context, name string, ec openfeature.EvaluationContext, d openfeature.TrackingEventDetails) {
	if p.o.Telemetry == nil {
		return
	}
	rest := d.Attributes()
	take := func(name string) string {
		s, ok := rest[name].(string)
		if ok {
			delete(rest, name)
		}
		return s
	}
	e := metrics.Event{Kind: metrics.KindRead, Feature: take("feature"), Entity: name, Unit: ec.TargetingKey()}
	if e.Feature == "" {
		e.Feature = p.o.Feature
	}
	e.Flag, e.Variant, e.Key = take("flag"), take("variant"), take("key")
	if s, ok := Stamped(ctx, e.Flag); ok && e.Variant == "" {
		s.Event(&e)
	}
	rest["value"] = d.Value()
	if raw, err := json.Marshal(map[string]any{"tracking": rest}); err == nil {
		e.Attributes = string(raw)
	}
	_ = p.o.Telemetry.Send(&e) // What the client refuses it counts; tracking must not disturb.
}
