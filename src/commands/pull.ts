import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { networkFlags } from '../cli/flags.ts';
import { pullText } from '../cli/render/bundle.ts';
import { parseDigest } from '../cli/requests.ts';
import type { PullData } from '../provision/share/publish.ts';

export default class Pull extends BaseCommand<PullData> {
  static override summary = 'Fetch a model into the cache and verify it.';
  static override examples = [
    '<%= config.bin %> pull oci:registry.example.com/models/gemma-3n-e4b:q4_k_m',
    '<%= config.bin %> pull hf:unsloth/gemma-3n-E4B-it-GGUF/gemma-3n-E4B-it-Q4_K_M.gguf',
  ];
  static override args = {
    ref: Args.string({ required: true, ignoreStdin: true, description: 'oci:, hf: or https: reference' }),
  };
  static override flags = {
    ...networkFlags,
    digest: Flags.string({ helpValue: 'sha256:…', description: 'expected SHA-256 of the file' }),
  };

  override async run(): Promise<PullData> {
    const { args, flags } = await this.parse(Pull);
    const app = await this.app(flags);
    const { pull } = await import('../provision/share/publish.ts');
    const digest = flags.digest === undefined ? undefined : parseDigest(flags.digest);
    const data = await this.progress(pull(app, args.ref, digest));
    this.log(pullText(data));
    return data;
  }
}
