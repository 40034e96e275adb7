#include "core/formats/safetensors_header.h"

#include <limits>
#include <optional>

#include "core/base/error.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";

// nlohmann calls this for each token; the place within the format's fixed structure decides what may come.
class HeaderReader {
 public:
  HeaderReader(std::string_view json, const std::string& source, std::size_t first_byte)
      : json_(json), source_(source), first_byte_(first_byte), read_(json.data()) {}

  Header read() {
    const JsonCursor first(json_.data(), &read_);
    const JsonCursor last(json_.data() + json_.size(), &read_);
    Json::sax_parse(first, last, this);
    return std::move(header_);
  }

  bool null() { unexpected("null"); }
  bool boolean(bool) { unexpected("true or false"); }
  bool number_float(Json::number_float_t, const std::string& text) { unexpected_number(text); }
  bool binary(Json::binary_t&) { unexpected("binary data"); }

  bool number_integer(Json::number_integer_t value) { unexpected_number(std::to_string(value)); }

  bool number_unsigned(Json::number_unsigned_t value) {
    in_number_ = true;
    if (place_ == Place::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        complain("the dimension {} is too large", value);
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (place_ == Place::offsets) {
      if (offsets_ >= 2) complain("data_offsets has more than two numbers");
      (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    } else {
      unexpected_number(std::to_string(value));
    }
    in_number_ = false;
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      if (!header_.metadata.emplace(key_, std::move(value)).second) complain("key '{}' stands twice", brief(key_));
    } else if (place_ == Place::tensor && field_ == Field::dtype) {
      dtype_ = dtype_from_name(value);
      if (!dtype_) complain("unknown dtype '{}'; known: {}", brief(value), dtype_names());
      entry_.dtype = *dtype_;
      field_ = Field::none;
    } else {
      unexpected(fmt::format("the text '{}'", brief(value)));
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::before) place_ = Place::root;
    else if (place_ == Place::root) place_ = in_metadata_ ? Place::metadata : Place::tensor;
    else unexpected("an object");
    return true;
  }

  bool key(std::string& name) {
    if (place_ == Place::root) start_entry(std::move(name));
    else if (place_ == Place::metadata) key_ = std::move(name);
    else start_field(name);
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) finish_entry();
    place_ = place_ == Place::root ? Place::after : Place::root;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::tensor && field_ == Field::shape) place_ = Place::shape;
    else if (place_ == Place::tensor && field_ == Field::offsets) place_ = Place::offsets;
    else unexpected("a list");
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_ != 2) complain("data_offsets has {} numbers, expected two", offsets_);
    place_ = Place::tensor;
    field_ = Field::none;
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& error) {
    fail("{}: byte {}: the header is not valid JSON: {}; fetch the file again", source_, first_byte_ + byte,
         json_complaint(error.what()));
  }

 private:
  enum class Place { before, root, metadata, tensor, shape, offsets, after };
  enum class Field { none, dtype, shape, offsets };

  void start_entry(std::string name) {
    in_metadata_ = name == kMetadataKey;
    seen_entry_ = true;
    if (in_metadata_ && seen_metadata_) complain("{} stands twice", kMetadataKey);
    seen_metadata_ = seen_metadata_ || in_metadata_;
    entry_ = {};
    entry_.name = std::move(name);
    dtype_.reset();
    seen_shape_ = false;
    offsets_ = 0;
    field_ = Field::none;
  }

  void start_field(std::string_view name) {
    if (name == "dtype" && !dtype_) {
      field_ = Field::dtype;
    } else if (name == "shape" && !seen_shape_) {
      field_ = Field::shape;
      seen_shape_ = true;
    } else if (name == "data_offsets" && offsets_ == 0) {
      field_ = Field::offsets;
    } else if (name == "dtype" || name == "shape" || name == "data_offsets") {
      complain("'{}' stands twice", name);
    } else {
      complain("unknown key '{}'; expected dtype, shape and data_offsets", brief(std::string(name)));
    }
  }

  void finish_entry() {
    if (!dtype_) complain("dtype is missing");
    if (!seen_shape_) complain("shape is missing");
    if (offsets_ == 0) complain("data_offsets is missing");
    header_.entries.push_back(std::move(entry_));
  }

  template <class... Args>
  [[noreturn]] void complain(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string what = fmt::format(format, std::forward<Args>(args)...);
    const auto last_read = static_cast<std::size_t>(read_ - json_.data()) - 1;
    const std::size_t byte = first_byte_ + last_read - (in_number_ ? 1 : 0);
    const bool in_entry = place_ != Place::before && place_ != Place::after && seen_entry_;
    const std::string where = !in_entry      ? ""
                              : in_metadata_ ? fmt::format("{}: ", kMetadataKey)
                                             : fmt::format("tensor '{}': ", brief(entry_.name));
    fail("{}: byte {}: {}{}; not a valid safetensors file", source_, byte, where, what);
  }

  [[noreturn]] void unexpected(const std::string& found) const {
    switch (place_) {
      case Place::before:
      case Place::root:
      case Place::after:
        complain("found {} where an object is expected", found);
      case Place::metadata:
        complain("found {} where a text is expected", found);
      case Place::shape:
      case Place::offsets:
        complain("found {} where a whole number from 0 is expected", found);
      case Place::tensor:
        complain("found {} where {} is expected", found, field_ == Field::dtype ? "a text" : "a list of whole numbers");
    }
    complain("found {}", found);
  }

  [[noreturn]] void unexpected_number(const std::string& text) {
    in_number_ = true;
    unexpected("the number " + brief(text));
  }

  std::string_view json_;
  const std::string& source_;
  std::size_t first_byte_;
  const char* read_;
  Header header_;
  Place place_ = Place::before;
  Field field_ = Field::none;
  bool in_metadata_ = false, seen_metadata_ = false, seen_entry_ = false;
  std::string key_;  // within the metadata
  HeaderEntry entry_;
  std::optional<Dtype> dtype_;
  bool seen_shape_ = false;
  int offsets_ = 0;         // numbers read
  bool in_number_ = false;  // its end is only seen one byte later
};

}  // namespace

Header parse_safetensors_header(std::string_view json, const std::string& source, std::size_t first_byte) {
  return HeaderReader(json, source, first_byte).read();
}

}  // namespace dsd
