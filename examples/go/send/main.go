// Command send sends two events, and sends them again: an event with the same id is recorded once. It uses the
// package countersign/client, which keeps ids over retries and waits when the server asks for it.
//
//	COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... go run ./examples/go/send [NAME]
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"countersign/client"
	"countersign/event"
)

func main() {
	log.SetFlags(0)
	name := fmt.Sprintf("order-%d", time.Now().Unix())
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	if err := send(name); err != nil {
		log.Fatal(err)
	}
}

func send(name string) error {
	c, err := client.New(client.Options{Server: os.Getenv("COUNTERSIGN_URL"), Token: os.Getenv("COUNTERSIGN_TOKEN")})
	if err != nil {
		return err
	}
	defer c.Close()
	// An application keeps one Writer for as long as it runs.
	accepted, duplicates := 0, 0
	w, err := c.NewWriter(client.WriterOptions{
		Recorded: func(d client.Delivery) { // keep d.JSON where a proof is wanted
			if d.Duplicate {
				duplicates++
				return
			}
			accepted++
		},
		Failed: func(e *client.EventError) { log.Print("refused: ", e) },
	})
	if err != nil {
		return err
	}
	certificate := event.Resource{Type: "CERTIFICATE", ID: event.TextOf("4711"), Name: event.TextOf("www.example.com")}
	requested := event.Event{
		ID: name + "-requested", OccurredAt: event.MicrosOf(time.Now()), Actor: person("u-17", "jane@example.com"),
		Action: "REQUEST", Resource: certificate, Outcome: event.OutcomeSuccess, Source: "example/go",
	}
	approved := requested
	approved.ID, approved.Action, approved.Actor = name+"-approved", "APPROVE", person("u-18", "raj@example.com")
	approved.Attributes = []event.Attribute{{Name: "ticket", Value: "CHG-1042"}}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 2 {
		for _, e := range []event.Event{requested, approved} {
			if err := w.Add(ctx, e); err != nil {
				return err
			}
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		fmt.Printf("accepted %d, duplicates %d\n", accepted, duplicates)
		accepted, duplicates = 0, 0
	}
	return w.Close(ctx)
}

func person(id, name string) event.Actor {
	return event.Actor{ID: event.TextOf(id), Name: event.TextOf(name), Type: event.ActorStandard}
}
