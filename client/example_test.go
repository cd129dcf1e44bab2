package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"countersign/client"
	"countersign/event"
	"countersign/problem"
	"countersign/server"
)

// exampleServer runs a server for an example. An application has its URL and token from its surroundings:
//
//	client.New(client.Options{Server: os.Getenv("COUNTERSIGN_SERVER"), Token: os.Getenv("COUNTERSIGN_TOKEN")})
func exampleServer() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "countersign-example-")
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.Open(context.Background(), server.Config{Data: filepath.Join(dir, "data")})
	if err != nil {
		log.Fatal(err)
	}
	if _, _, err := s.Identity.Bootstrap(context.Background(), token); err != nil {
		log.Fatal(err)
	}
	hs := httptest.NewServer(s)
	return hs.URL, func() {
		hs.Close()
		if err := errors.Join(s.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// An application keeps one Writer for as long as it runs, adds events where they happen, and closes it before
// it ends.
func ExampleWriter() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()

	c, err := client.New(client.Options{Server: url, Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	w, err := c.NewWriter(client.WriterOptions{
		// Keep what proves that the event is in the trail beside what the application knows of it.
		Recorded: func(d client.Delivery) { fmt.Printf("%s is recorded, duplicate: %v\n", d.Event.ID, d.Duplicate) },
		// Events that are refused need somebody's eyes. Failures that may pass never come here.
		Failed: func(e *client.EventError) { fmt.Println("refused:", e.Event.Action, problem.KindOf(e)) },
	})
	if err != nil {
		log.Fatal(err)
	}

	approved := event.Event{
		ID:         "order-4711-approved", // names the event for ever; without one it gets a UUID
		OccurredAt: event.MicrosOf(time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)),
		Actor:      event.Actor{ID: event.TextOf("u-17"), Name: event.TextOf("jane@example.com")},
		Action:     "APPROVE",
		Resource:   event.Resource{Type: "CERTIFICATE", ID: event.TextOf("4711")},
		Outcome:    event.OutcomeSuccess,
		Source:     "example/portal",
		Attributes: []event.Attribute{{Name: "ticket", Value: "CHG-1042"}},
	}
	if err := w.Add(ctx, approved); err != nil {
		log.Fatal(err)
	}
	if err := w.Add(ctx, approved); err != nil { // the application was not sure
		log.Fatal(err)
	}
	approved.Action = "REJECT"
	if err := w.Add(ctx, approved); err != nil {
		log.Fatal(err)
	}

	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := w.Close(deadline); err != nil {
		fmt.Println("not all events are recorded")
	}
	// Output:
	// refused: REJECT conflict
	// order-4711-approved is recorded, duplicate: false
	// order-4711-approved is recorded, duplicate: true
	// not all events are recorded
}

// Everything that a search finds, at one tree size, however much others write meanwhile.
func ExampleClient_Pages() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	c, err := client.New(client.Options{Server: url, Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Append(ctx, []event.Event{{
		ID: "e-1", OccurredAt: event.MicrosOf(time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)), Action: "LOGIN_ERROR",
		Resource: event.Resource{Type: "BASIC_AUTH"}, Outcome: event.OutcomeFailure, Source: "example/portal",
	}}); err != nil {
		log.Fatal(err)
	}
	for page, err := range c.Pages(ctx, client.Query{Text: "action:LOGIN_ERROR -outcome:success source:^example/"}, 0) {
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range page.Items {
			fmt.Println(e.OccurredAt, e.ID, e.Outcome)
		}
	}
	// Output:
	// 2026-01-15T10:30:00Z e-1 failure
}
