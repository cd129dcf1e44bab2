package server_test

import (
	"testing"

	"countersign/internal/apicheck"
	"countersign/server"
)

func TestEveryRouteIsInTheOpenAPIDocument(t *testing.T) {
	start(t, func(s *server.Server) { apicheck.Routes(t, s.Routes()) })
}
