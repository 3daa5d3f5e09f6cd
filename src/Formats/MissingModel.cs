namespace WarpDecode.Formats;

/// <summary>What everyone is told who names a model that is not there.</summary>
internal static class MissingModel
{
    /// <summary>Where to get a model.</summary>
    public const string Advice =
        "a model is a GGUF file, or a folder as Hugging Face lays it out, of a Mixture-of-Experts model: download one from huggingface.co, for example a GGUF of Qwen3-30B-A3B or Mixtral, or take the small default model in the models/ folder of the WarpDecode Runtime repository";

    /// <summary>What is wrong, with the advice.</summary>
    public const string NoSuchFile = "no such file; " + Advice;
}
