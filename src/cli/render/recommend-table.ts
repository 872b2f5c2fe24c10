import { formatBytes } from '../../core/units.ts';
import type { FitTable } from '../../fit/schema.ts';
import { table } from './table.ts';

const WHERE = { gpu: 'GPU', partial: 'part', cpu: 'CPU', no: 'no' } as const;

type Cell = FitTable['rows'][number]['cells'][number];

/** One block for each type of the KV cache: a line a quant, a column a context; what must be free there, margins included. */
export function fitTableText({ contexts, kvTypes, rows, notes }: FitTable): string {
  const head = ['QUANT', ...contexts.map((tokens) => String(tokens))];
  const blocks = kvTypes.map((kvType) => {
    const lines = rows.map(({ quant, cells }) => [
      quant,
      ...contexts.map((tokens) =>
        cellText(cells.find((cell) => cell.kvType === kvType && cell.contextLength === tokens)),
      ),
    ]);
    return `KV cache ${kvType}\n${table(head, lines)}`;
  });
  const legend =
    'Free memory needed, including margins: GPU memory if the GPU is used (part: plus RAM), otherwise RAM.';
  return [...blocks, [legend, ...notes].join('\n')].join('\n\n');
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '-';
  const { verdict, needsFree } = cell;
  const beside = verdict === 'partial' ? ` + ${formatBytes(needsFree.ramBytes)}` : '';
  return `${WHERE[verdict]} ${formatBytes(needsFree.gpuBytes ?? needsFree.ramBytes)}${beside}`;
}
