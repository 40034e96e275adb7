#include "cli/copies.h"

#include "cli/run_parts.h"
#include "core/base/error.h"
#include "core/data/rows.h"
#include "core/data/text_change.h"
#include "core/formats/locate.h"
#include "core/teacher/word_neighbours.h"

namespace dsd {

void append_copies(Dataset* data, const Recipe& recipe, const Task& task, const Tokenizer& tokenizer) {
  const AugmentConfig& config = *recipe.data.augment;
  std::shared_ptr<Model> masked;
  if (config.masked_model) {
    masked = load_frozen_model(locate_model(*config.masked_model));
    if (frozen_options(masked->config()).head != HeadKind::masked_tokens)
      fail_as(ExitCode::bad_input, "data.augment.masked_model {}: has no head over masked tokens (...ForMaskedLM)",
              *config.masked_model);
    if (Tokenizer::load(locate_model(*config.masked_model)).fingerprint() != tokenizer.fingerprint())
      fail_as(ExitCode::bad_input, "data.augment.masked_model {}: its tokenizer is not the student's",
              *config.masked_model);
  }
  const Tensor words = word_embeddings(*load_frozen_model(locate_teacher(*recipe.teacher.path)));
  WordNeighbours neighbours(tokenizer, words, masked, config);
  RandomKey key{.seed = static_cast<std::uint64_t>(recipe.seed), .purpose = Purpose::adversary, .layer = 2};
  const RowChange other_words =
      each_text([&](std::string_view text, std::uint64_t number) { return neighbours.changed(text, key, number); });
  const RowChange change = [&](Row& row, std::int64_t index) {
    other_words(row, index);
    if (config.label == CopyLabel::teacher) row.label.reset();
  };
  for (std::int64_t copy = 0; copy < config.copies; ++copy, ++key.step)
    for (const auto& file : split_files(task, recipe.data, Split::train))
      data->append(task, recipe.data, file, tokenizer, recipe.data.train_rows.value_or(0), change);
}

}  // namespace dsd
