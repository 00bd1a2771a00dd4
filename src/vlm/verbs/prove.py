"""vlm prove: whether every cell of a sweep would run, on a CPU, before GPUs are booked.

  vlm prove -m projector=linear,mlp2 llm=tiny_llama,mistral7b
  vlm prove experiment=demo
  vlm prove stage=instruct_lora

The words are those of vlm train. Each cell is looked at with its real sizes and a shard of each of its
sources; no weight is made for that, and none fetched. And it is done with small random twins of its parts:
two steps of every stage, the loss of what its sources hold out, step 2 again from the state of step 1, the
weights again from their files, a few answers. Stages that cells share are done once. Nothing is left behind
but measures of data in paths.cache.

A table for each cell:
  visual      tokens that a picture takes, the fewest and the most
  supervised  tokens of a step, on average; ? where the data is not there
  learn, of   parameters that learn, and all that there are
  gradient    weights that a gradient reached, of those that learn
  changed     weights that changed, of those that learn
  held out    loss of what is held out, of the twin
  resumed     whether step 2, done again from the state of step 1, gives the same loss and files, to the bit
  reloaded    whether the files give the model that was trained

Then errors (identical cells, pictures or samples that the context cannot hold, labels that teach nothing,
missing data), warnings (templates that the LLM was not taught, axes that change the same value) and notes
(what else a word changes, files that are not here).

Exit status: 0 every cell runs, and there is no error; 1 a cell fails, or there is one; 2 the words are wrong.
Not tried: several devices, a GPU's precisions and kernels, weights of few bits.
"""

import argparse
from collections.abc import Sequence

from vlm.compose import compose_sentence
from vlm.study.prove.axes import compare_axes
from vlm.study.prove.cells import expand


def run(words: Sequence[str]) -> int:
    """Prove one sentence, or each cell of a sweep."""
    parser = argparse.ArgumentParser("vlm prove", add_help=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("overrides", nargs="*")
    asked = parser.parse_intermixed_args(words)
    cells = expand(asked.overrides, asked.multirun)
    sentences = [compose_sentence(cell.words) for cell in cells]
    from vlm.study.prove.prover import identical_cells, prove_cells  # noqa: PLC0415 (torch takes seconds)
    from vlm.study.prove.table import conclude, describe_cell, describe_lints, gather  # noqa: PLC0415

    proofs = []
    for number, proof in enumerate(prove_cells(sentences), start=1):
        proofs.append(proof)
        print(*describe_cell(number, len(cells), cells[number - 1], proof), sep="\n", flush=True)
    of_all = [*identical_cells(cells, proofs), *compare_axes(cells, sentences)]
    gathered = gather(proofs, of_all)
    for line in describe_lints(gathered, len(cells)):
        print(line)
    verdict, fine = conclude(proofs, gathered)
    print(verdict)
    return 0 if fine else 1
