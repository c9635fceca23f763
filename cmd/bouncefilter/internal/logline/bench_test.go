package logline

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
)

// BenchmarkLine writes the line about a bounce, as package slog has it and in each form.
func BenchmarkLine(b *testing.B) {
	attrs := []slog.Attr{slog.String("queue_id", "4BXyzT3Wq1zKk"), slog.String("client", "203.0.113.9"), slog.String("sender", "<>"),
		slog.String("recipient", "<prvs=178773a1ad=user@example.com>"), slog.String("reason", "valid"), slog.String("action", "accept"),
		slog.Int("tag_key", 1), slog.String("tag_expires", "2026-11-30"), slog.String("report", "dsn"), slog.String("family", "postfix"),
		slog.String("original", "<letter.1@mail.example.com>"), slog.String("reporting_mta", "mx.example.net"),
		slog.String("reported_recipient", "<friend@example.net>"), slog.String("reported_action", "failed"), slog.String("reported_status", "5.1.1"),
		slog.Duration("duration", 38*time.Microsecond)}
	for name, log := range map[string]*slog.Logger{
		"slog":    slog.New(slog.NewTextHandler(io.Discard, nil)),
		"file":    New(io.Discard, Form{Format: config.FormatLogfmt}, slog.HandlerOptions{}),
		"journal": New(io.Discard, Form{Format: config.FormatLogfmt, Journal: true}, slog.HandlerOptions{}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelInfo, "bounce", attrs...)
			}
		})
	}
}
