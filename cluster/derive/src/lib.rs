//! Derive macros of the `cluster` crate.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, LitStr, Type, parse_macro_input};

/// Implements `cluster::Message` for a serde type.
///
/// `#[message(name = "chat.say", reply = Turn)]` gives the stable wire name and the reply type; without `reply` the reply
/// is `()`.
#[proc_macro_derive(Message, attributes(message))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let mut name: Option<LitStr> = None;
    let mut reply: Option<Type> = None;
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("message"))
    {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = Some(meta.value()?.parse()?);
                Ok(())
            } else if meta.path.is_ident("reply") {
                reply = Some(meta.value()?.parse()?);
                Ok(())
            } else {
                Err(meta.error("expected `name = \"...\"` or `reply = Type`"))
            }
        })?;
    }
    let name = name.ok_or_else(|| {
        syn::Error::new_spanned(
            &input.ident,
            "a message needs a stable wire name: #[message(name = \"noun.verb\", reply = Reply)]",
        )
    })?;
    let text = name.value();
    let lawful = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > 64 || !text.chars().all(lawful) {
        return Err(syn::Error::new_spanned(
            name,
            "a wire name is 1 to 64 characters of a-z, 0-9, `.`, `-` and `_`",
        ));
    }
    let reply = reply.map_or_else(|| quote!(()), |reply| quote!(#reply));
    let ident = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::cluster::Message for #ident #type_generics #where_clause {
            const NAME: &'static str = #name;
            type Reply = #reply;
        }
    })
}
