import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags, networkFlags } from '../../cli/flags.ts';
import { qualityText } from '../../cli/render/bench-quality.ts';
import type { QualityData } from '../../provision/quality/measure.ts';

export default class BenchQuality extends BaseCommand<QualityData> {
  static override summary = 'Measure how far the quants of a model are from its F16 file.';
  static override description =
    'Reads a text with both files on the embedded engine and compares the probabilities of every next token: the KL divergence (in nats, 0 is equal) and how often both find the same token likeliest. The result is recorded under the digests of the files. Without --quant, the quants on this machine are measured; those that are named are fetched where they are not.';
  static override examples = [
    '<%= config.bin %> bench quality tiny-gemma-3n --against q4_k_m',
    '<%= config.bin %> bench quality gemma-3-1b --against q8_0 --quant q4_k_m --quant q2_k',
    '<%= config.bin %> bench quality gemma-3n-e4b --against f16 --from ./models',
  ];
  static override args = {
    model: Args.string({ required: true, ignoreStdin: true, description: 'catalog model such as gemma-3-1b' }),
  };
  static override flags = {
    ...networkFlags,
    ...catalogFlags,
    against: Flags.string({ default: 'f16', helpValue: 'QUANT', description: 'the quant to compare with' }),
    quant: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'QUANT',
      description: 'quant to measure (may be repeated)',
    }),
    from: Flags.string({ helpValue: 'REF', description: 'folder or repository with the files of the model' }),
    text: Flags.string({ helpValue: 'FILE', description: 'your own text instead of the one that ships' }),
    positions: Flags.integer({
      default: 512,
      min: 32,
      max: 100_000,
      helpValue: 'N',
      description: 'how many positions of the text are compared at most',
    }),
  };

  override async run(): Promise<QualityData> {
    const { args, flags } = await this.parse(BenchQuality);
    const app = await this.app(flags);
    const { measureQuality } = await import('../../provision/quality/measure.ts');
    const { against, quant: quants, from, text, positions } = flags;
    const request = { model: args.model, against, quants, from, text, positions };
    const data = await this.progress(measureQuality(app, request));
    this.log(qualityText(data));
    return data;
  }
}
