import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { pruningText } from '../../cli/render/cache.ts';
import type { CachePruning } from '../../sources/cache/schema.ts';

export default class CachePrune extends BaseCommand<CachePruning> {
  static override summary = 'what of the fetched files nothing needs; --apply removes it';
  static override description =
    'Files that installed models came from stay, so that a repair needs no network, and so does what came in within the last hour; --all takes them too.';
  static override examples = [
    '<%= config.bin %> cache prune',
    '<%= config.bin %> cache prune --apply',
    '<%= config.bin %> cache prune --older-than 30d --apply',
  ];
  static override flags = {
    apply: Flags.boolean({ description: 'remove it' }),
    all: Flags.boolean({ description: 'also what installed models came from' }),
    'older-than': Flags.string({ helpValue: 'AGE', description: 'only what came in so long ago: 45m, 12h, 30d, 2w' }),
  };

  override async run(): Promise<CachePruning> {
    const { flags } = await this.parse(CachePrune);
    const app = await this.app(flags);
    const { pruneCache } = await import('../../provision/maintain/cache.ts');
    const { apply = false, all = false } = flags;
    const pruning = await this.progress(await pruneCache(app, { apply, all, olderThan: flags['older-than'] }));
    for (const { path, problem } of pruning.items) if (problem !== undefined) this.warn(`${path} stays: ${problem}`);
    this.log(pruningText(pruning));
    return pruning;
  }
}
