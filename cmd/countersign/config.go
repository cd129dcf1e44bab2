package main

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// envName is the environment twin of a flag: --tls-cert is COUNTERSIGN_TLS_CERT.
func envName(flag string) string {
	return "COUNTERSIGN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settle gives each flag that is not on the command line the value of its environment twin, else of the
// config file. An unknown key in the file is an error: a misspelt setting must not be a setting left out.
func settle(cmd *cobra.Command, configFile string) error {
	flags := cmd.LocalNonPersistentFlags()
	fromFile, err := readConfig(configFile, flags)
	if err != nil {
		return err
	}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		if v, ok := os.LookupEnv(envName(f.Name)); ok {
			if err := f.Value.Set(v); err != nil {
				errs = append(errs, misused("%s: %w", envName(f.Name), err))
			}
			return
		}
		if v, ok := fromFile[f.Name]; ok {
			if err := f.Value.Set(v); err != nil {
				errs = append(errs, misused("%s: %s: %w", configFile, f.Name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// readConfig reads a flat YAML file whose keys are names of flags.
func readConfig(name string, flags *pflag.FlagSet) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	var nodes map[string]yaml.Node // refuses a key that stands twice
	if err := yaml.Unmarshal(b, &nodes); err != nil {
		return nil, misused("%s: %w", name, err)
	}
	settings := map[string]string{}
	for key, node := range nodes {
		f := flags.Lookup(key)
		if f == nil || key == "config" || key == "help" {
			return nil, misused("%s:%d: unknown key %q; known are %s", name, node.Line, key, strings.Join(configKeys(flags), ", "))
		}
		if node.Kind != yaml.ScalarNode {
			return nil, misused("%s:%d: %s must be a single value", name, node.Line, key)
		}
		settings[key] = node.Value
	}
	return settings, nil
}

func configKeys(flags *pflag.FlagSet) []string {
	var keys []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" && f.Name != "help" {
			keys = append(keys, f.Name)
		}
	})
	sort.Strings(keys)
	return keys
}
