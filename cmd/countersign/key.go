package main

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"countersign/merkle"
	"countersign/server"
	"countersign/store"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Show, make and change the keys that sign the trail",
		Long: `The server signs checkpoints of its trail with a key that it makes at its first start. Whoever verifies needs the
public part of it, a vkey, from somebody whom they trust: key show prints it. The secret part never leaves the data directory.`,
		Example: "  countersign key show --data /var/lib/countersign > countersign.vkey",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeyShow(), newKeyGenerate(), newKeyRotate())
	return cmd
}

// dataFlag is the directory that a local command works on.
func dataFlag(cmd *cobra.Command, data *string) {
	cmd.Flags().StringVar(data, "data", "", "data directory (COUNTERSIGN_DATA; required)")
}

// settleData reads the environment twins of a local command's flags.
func settleData(cmd *cobra.Command, data *string) error {
	if err := settle(cmd, ""); err != nil {
		return err
	}
	if *data == "" {
		return misused("--data is required: the directory that holds the trail")
	}
	return nil
}

func newKeyShow() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the public keys of a trail",
		Long: `Show prints the vkeys of the trail, one a line, the oldest first: the file that countersign verify --key wants. It may
be run beside the server. With --output json each key has the numbers of entries whose checkpoints it signs.`,
		Example: `  countersign key show --data /var/lib/countersign
  countersign key show --data /var/lib/countersign --output json`,
		Args: noArgs,
	}
	dataFlag(cmd, &data)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settleData(cmd, &data); err != nil {
			return err
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		origin, keys, err := store.Keys(data)
		if err != nil {
			return err
		}
		if *output == "json" {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				Origin string           `json:"origin"`
				Keys   []store.KeyRange `json:"keys"`
			}{origin, keys})
		}
		for _, k := range keys {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), k.VKey); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func newKeyGenerate() *cobra.Command {
	var data, origin string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make the first signing key, before the first start",
		Long: `Generate makes a data directory with the name of its trail and the first signing key, and prints the key's vkey: for who
wants to hand the key out before the server runs. Without it the first start does the same.

The origin is the trail's name in every checkpoint and proof, and stays; only a restore from a backup may change it. Choose a name that you own and that is
no address which may change, such as log.example.com/trail.`,
		Example: "  countersign key generate --data /var/lib/countersign --origin log.example.com/trail > countersign.vkey",
		Args:    noArgs,
	}
	dataFlag(cmd, &data)
	cmd.Flags().StringVar(&origin, "origin", "", "name of the trail (made up when none is given)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settleData(cmd, &data); err != nil {
			return err
		}
		if origin != "" {
			if err := merkle.CheckOrigin(origin); err != nil {
				return misused("--origin %q cannot name a trail: %w", origin, err)
			}
		}
		vkey, err := generateKey(data, origin)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), vkey); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "this is the public key of the trail: give it to everybody who is to verify, and start the server with --data %s\n", data)
		return nil
	}
	return cmd
}

func generateKey(data, origin string) (vkey string, err error) {
	dir, err := store.Claim(data)
	if err != nil {
		return "", err
	}
	defer func() {
		if releaseErr := dir.Release(); err == nil {
			err = releaseErr
		}
	}()
	return dir.GenerateKey(origin)
}

func newKeyRotate() *cobra.Command {
	cfg := server.Config{Logger: slog.New(slog.DiscardHandler)}
	overlap := uint64(store.DefaultOverlap)
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Change the signing key of a stopped server",
		Long: `Rotate makes a new signing key and records in the trail from which number of entries on it signs. The old key signs
beside it for as many further entries as --overlap says, so that everybody has the time to learn of the new one. The server
must be stopped. It prints the vkey of the new key.`,
		Example: "  countersign key rotate --data /var/lib/countersign >> countersign.vkey",
		Args:    noArgs,
	}
	dataFlag(cmd, &cfg.Data)
	f := cmd.Flags()
	f.Uint64Var(&overlap, "overlap", overlap, "for how many further entries the old key signs too")
	f.StringVar(&cfg.CheckpointFile, "checkpoint-file", "", "the server's --checkpoint-file: the directory is compared with it first")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settleData(cmd, &cfg.Data); err != nil {
			return err
		}
		if overlap > 1<<40 {
			return misused("--overlap is at most %d entries", uint64(1)<<40)
		}
		key, err := server.RotateKey(cmd.Context(), cfg, overlap)
		if key.VKey == "" {
			return err
		}
		if _, printErr := fmt.Fprintln(cmd.OutOrStdout(), key.VKey); printErr != nil && err == nil {
			err = fmt.Errorf("print the new key, which key show has too: %w", printErr)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), `this is the new public key. It signs checkpoints of %d entries and more, and the old key beside it up to %d.
Give it to everybody who verifies before the trail has more entries than that; the old key stays in their files, for what it signed.
The old key's file may be destroyed once the trail is larger. If it may be known to somebody else, tell all who verify.
`, key.From, key.From+overlap)
		return err
	}
	return cmd
}
